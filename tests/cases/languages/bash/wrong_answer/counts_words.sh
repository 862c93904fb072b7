echo $(($(cat | wc -w) + 1))
