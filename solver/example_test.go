package solver_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// Most programs need only these calls.
func ExampleSolve() {
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 4) // the challenge's salt and difficulty
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), solver.ChallengeLifetime)
	defer cancel()
	solution, err := solver.Solve(ctx, puzzle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(puzzle.Solves(solution.Nonce))
	// Output: true
}

// A sequential search finds the smallest nonce, which is the same on every machine.
func ExampleNew() {
	s, err := solver.New(solver.Options{Sequential: true, Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 4)
	if err != nil {
		log.Fatal(err)
	}
	solution, err := s.Solve(context.Background(), puzzle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %x\n", solution.Nonce, solution.Hash)
	// Output: 19317 0000404e2652e103ad8875ff1c29351c735a32a90d1b695e170e8bf578b46573
}

// Solve calls Progress on the goroutine that called Solve.
func ExampleOptions_progress() {
	s, err := solver.New(solver.Options{
		ProgressInterval: time.Second,
		Progress: func(p solver.Progress) {
			fmt.Printf("%.1f MH/s, %v more on average\n", p.HashRate/1e6, p.Remaining.Round(time.Second))
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 3) // too easy for a report
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Solve(context.Background(), puzzle); err != nil {
		log.Fatal(err)
	}
	fmt.Println("solved")
	// Output: solved
}

// Two machines share a search: each searches half of the nonces.
func ExampleShard() {
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 2)
	if err != nil {
		log.Fatal(err)
	}
	var hashes uint64
	for index := range 2 { // sequentially, for the sake of the example
		s, err := solver.New(solver.Options{Shard: solver.Shard{Index: index, Count: 2}, MaxNonce: 99_999})
		if err != nil {
			log.Fatal(err)
		}
		n, err := s.All(context.Background(), puzzle, func(solver.Solution) bool { return true })
		if err != nil {
			log.Fatal(err)
		}
		hashes += n
	}
	fmt.Println(hashes, "nonces tried")
	// Output: 100000 nonces tried
}

// All finds every solution in a range, here in numeric order.
func ExampleSolver_All() {
	s, err := solver.New(solver.Options{MinNonce: 0, MaxNonce: 1_000, Sequential: true, Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	puzzle, err := solver.NewPuzzle("7f8e9d0c", 2)
	if err != nil {
		log.Fatal(err)
	}
	hashes, err := s.All(context.Background(), puzzle, func(solution solver.Solution) bool {
		fmt.Printf("%d %x…\n", solution.Nonce, solution.Hash[:3])
		return true // continue
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hashes, "nonces tried")
	// Output:
	// 173 00e897…
	// 563 007af4…
	// 989 001a39…
	// 1001 nonces tried
}

func ExampleSolution_String() {
	fmt.Println(solver.Solution{
		Nonce: 19317, Hashes: 19_318, Elapsed: 2 * time.Millisecond, Backend: "shani", Workers: 2,
	})
	// Output: nonce 19317, after 19318 hashes in 2ms (9.7 MH/s) by shani with 2 workers
}

// Outline shows which nonces a search tries first. After a salt of 48 characters, those of 16
// digits take one block of SHA-256 for each hash, and shorter ones two.
func ExampleSolver_Outline() {
	s, err := solver.New(solver.Options{Backend: "generic"})
	if err != nil {
		log.Fatal(err)
	}
	puzzle, err := solver.NewPuzzle("7f8e9d0cab12cd34ef567890a1b2c3d47f8e9d0cab12cd34", 6)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := s.Outline(puzzle)
	if err != nil {
		log.Fatal(err)
	}
	first := plan.Segments[0]
	fmt.Printf("%d digits, %.0f%% of searches end there\n", first.Width, 100*first.Chance)
	// Output: 16 digits, 100% of searches end there
}
