file="$(mktemp)"
trap 'rm -f "$file"' EXIT
cat > "$file"
expression="$(tr -s '[:space:]' '\n' < "$file" | grep . | paste -sd+ -)"
echo "${expression:-0}" | bc
