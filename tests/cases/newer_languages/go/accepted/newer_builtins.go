package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
)

func main() {
	var numbers []int
	in := bufio.NewReader(os.Stdin)
	for {
		var number int
		if _, err := fmt.Fscan(in, &number); err != nil {
			break
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	sum := 0
	for i := range len(numbers) {
		sum += max(numbers[i], min(numbers[i], 0))
	}
	fmt.Println(sum)
}
