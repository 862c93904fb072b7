#!/bin/bash
set -euo pipefail
shopt -s extglob
tr -s ' \t' '\n' | { grep -E '^-?[0-9]+$' || true; } | awk '{ total += $1 } END { printf "%d\n", total }' | sed 's/^+//'
case "done" in
  !(done)) exit 1 ;;
esac
