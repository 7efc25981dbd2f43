package bench_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/strategies"
)

// A program can measure the rate of a single strategy in a short run.
func ExampleRun() {
	loop, err := strategies.Named("append")
	if err != nil {
		log.Fatal(err)
	}
	report, err := bench.Run(context.Background(), bench.Options{
		Strategies:  []strategies.Strategy{loop},
		SaltLengths: []int{32},
		Threads:     []int{1},
		Budget:      50 * time.Millisecond,
		Difficulty:  2,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict, len(report.Rows), "row of", report.Rows[0].Strategy)
	// Output: OK 1 row of append
}
