package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	data, err := os.ReadFile("/dev/stdin")
	if err != nil {
		panic(err)
	}
	sum := int64(0)
	for _, word := range strings.Fields(string(data)) {
		number, _ := strconv.ParseInt(word, 10, 64)
		sum += number
	}
	fmt.Println(sum)
}
