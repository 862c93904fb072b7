sum=0
while read -r -a numbers; do
    for number in "${numbers[@]}"; do sum=$((sum + number)); done
done < /dev/stdin
echo "$sum" > /dev/stdout
