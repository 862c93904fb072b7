package main

import (
	"bufio"
	"fmt"
	"math/big"
	"os"
	"sort"
	"strings"
	"sync"
)

func sum[T int64 | float64](numbers []T) (total T) {
	for _, number := range numbers {
		total += number
	}
	return
}

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Split(bufio.ScanWords)
	words := make(chan string)
	numbers := []int64{}
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		for word := range words {
			n, _ := new(big.Int).SetString(strings.TrimSpace(word), 10)
			numbers = append(numbers, n.Int64())
		}
	}()
	for scanner.Scan() {
		words <- scanner.Text()
	}
	close(words)
	done.Wait()
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	fmt.Println(sum(numbers))
}
