package main

import "fmt"

func main() {
	var total int32
	var number int64
	for {
		if _, err := fmt.Scan(&number); err != nil {
			break
		}
		total += int32(number)
	}
	fmt.Println(total)
}
