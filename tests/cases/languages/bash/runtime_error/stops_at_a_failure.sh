set -e; read -r a b; false; echo $((a + b))
