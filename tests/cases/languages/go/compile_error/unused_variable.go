package main

func main() {
	total := 0
}
