if true; then
  echo 0
