package main

import "fmt"

func main() {
	for {
		fmt.Println("0000000000000000000000000000000000000000")
	}
}
