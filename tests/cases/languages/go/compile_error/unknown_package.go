package main

import "example.org/sums"

func main() {
	sums.Print()
}
