package strategies_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// Every strategy that this machine can run finds the same nonces.
func Example() {
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 3)
	if err != nil {
		log.Fatal(err)
	}
	found := map[string]bool{}
	for _, s := range strategies.All() {
		if s.Missing() != "" {
			continue
		}
		sum := uint64(0)
		hashes, err := s.Search(context.Background(), puzzle, strategies.Range{First: 0, Last: 19_999},
			func(nonce uint64) bool {
				sum += nonce
				return true // continue
			})
		if err != nil {
			log.Fatal(err)
		}
		found[fmt.Sprint(hashes, " nonces tried; the sum of the solutions is ", sum)] = true
	}
	for text := range found {
		fmt.Println(text)
	}
	// Output: 20000 nonces tried; the sum of the solutions is 50901
}
