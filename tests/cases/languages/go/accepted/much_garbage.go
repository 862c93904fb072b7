package main

import "fmt"

// Allocates gigabytes and keeps little: what is limited is what is in memory, not what was ever asked for.
func main() {
	kept := map[int][]int{}
	for i := 0; i < 100000; i++ {
		kept[i%500] = make([]int, 5000)
	}
	total, number := kept[7][3], 0
	for {
		if _, err := fmt.Scan(&number); err != nil {
			break
		}
		total += number
	}
	fmt.Println(total)
}
