// Command _gen generates the assembly of package asm for amd64 and a table of its operation
// counts. Its argument is the directory of the package:
//
//	go run . ..
//
// Start reading at vector.go, which states SHA-256 in the terms of FIPS 180-4, for several
// nonces at a time. avx512.go and avx2.go implement its operations with one instruction set
// each. grid.go searches two words that vary, tails.go a constant block after varying hash
// values, and shared.go a varying block after four hash values.
//
// shani.go is the kernel for SHA-NI, whose instructions do whole rounds. chains.go runs
// several hashes with them side by side, in chains. mixed.go, mixedgrid.go, mixedshared.go and
// ring.go run chains beside vectors, with the variant of AVX-512 in avx512vl.go. order.go and
// stream.go order the instructions of the two streams. count.go counts operations.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// A kernel describes one assembly file: the names of its functions, how to generate them, and
// paths, which say how often the code after each label runs.
type kernel struct {
	name  string // of the file, without _amd64.s
	in    string // the suffix of its functions' names
	lanes int    // hashes in a step of the search

	search             func(*build.Context) // writes Scan and Hash
	scanPath, hashPath func(vary int) map[string]int

	grid     func(*build.Context) // writes ScanGrid, for lanes chunks; nil if there is none
	gridPath func(counter int) map[string]int

	tails    func(*build.Context) // writes ScanTails; nil if the kernel uses another one's
	tailPath map[string]int

	shared     func(*build.Context) // writes ScanShared; nil if the kernel uses another one's
	sharedPath map[string]int
	sharedStep int  // words in a step of ScanShared
	sharedLast bool // whether it has a parameter for the Block of the last hash value
}

var kernels = []kernel{
	{
		name: "mixed512", in: "Mixed512", lanes: mixedBatch,
		search: func(c *build.Context) {
			writeMixed(c, func(memory operand.Mem) scheduler { return newRingAVX512(c, memory) })
		},
		scanPath: func(vary int) map[string]int { return mixedPath(vary, false) },
		hashPath: func(vary int) map[string]int { return mixedPath(vary, true) },
		grid: func(c *build.Context) {
			writeMixedGrid(c, func(memory operand.Mem) scheduler { return newRingAVX512(c, memory) })
		},
		gridPath: mixedGridPath,
		tails:    writeMixedTails,
		tailPath: mixedTailsPath,

		shared:     writeMixedShared,
		sharedPath: mixedSharedPath,
		sharedStep: mixedBatch,
		sharedLast: true,
	},
	{
		name: "avx512", in: "AVX512", lanes: 16,
		search:   func(c *build.Context) { writeVector(c, newAVX512(c)) },
		scanPath: func(vary int) map[string]int { return vectorPath(vary, false, false) },
		hashPath: func(vary int) map[string]int { return vectorPath(vary, true, false) },
		grid:     func(c *build.Context) { writeGrid(c, newAVX512(c)) },
		gridPath: gridPath,
		tails:    func(c *build.Context) { writeVectorTails(c, newAVX512(c)) },
		tailPath: vectorTailsPath(16),

		shared:     func(c *build.Context) { writeVectorShared(c, newAVX512(c)) },
		sharedPath: vectorSharedPath(false),
		sharedStep: 16,
	},
	{
		name: "mixed256", in: "Mixed256", lanes: mixedBatch,
		search: func(c *build.Context) {
			writeMixed(c, func(memory operand.Mem) scheduler { return newRingAVX2(c, memory) })
		},
		scanPath: func(vary int) map[string]int { return mixedPath(vary, false) },
		hashPath: func(vary int) map[string]int { return mixedPath(vary, true) },
		grid: func(c *build.Context) {
			writeMixedGrid(c, func(memory operand.Mem) scheduler { return newRingAVX2(c, memory) })
		},
		gridPath: mixedGridPath,
	},
	{
		name: "shani", in: "SHANI", lanes: shaniBatch,
		search:   writeSHANI,
		scanPath: func(vary int) map[string]int { return shaniPath(vary, false) },
		hashPath: func(vary int) map[string]int { return shaniPath(vary, true) },
		tails:    writeChainTails,
		tailPath: chainTailsPath,

		shared:     writeChainShared,
		sharedPath: chainSharedPath,
		sharedStep: 1,
	},
	{
		name: "avx2", in: "AVX2", lanes: 8,
		search:   func(c *build.Context) { writeVector(c, newAVX2(c, 32)) },
		scanPath: func(vary int) map[string]int { return vectorPath(vary, false, true) },
		hashPath: func(vary int) map[string]int { return vectorPath(vary, true, true) },
		tails:    func(c *build.Context) { writeVectorTails(c, newAVX2Rounds(c)) },
		tailPath: vectorTailsPath(8),

		shared:     func(c *build.Context) { writeVectorShared(c, newAVX2(c, 64)) },
		sharedPath: vectorSharedPath(true),
		sharedStep: 8,
	},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run . DIRECTORY")
	}
	if err := generate(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func generate(dir string) error {
	// Generate the same output on every machine.
	os.Setenv("GOOS", "linux")
	os.Setenv("GOARCH", "amd64")
	// avo reads package asm for the offsets of its fields. The purego tag excludes the files
	// that are about to be generated.
	os.Setenv("GOFLAGS", "-tags=purego")

	tables := new(bytes.Buffer)
	fmt.Fprintf(tables, "// Code generated by command: go run . .. DO NOT EDIT.\n\n//go:build !purego\n\npackage asm\n")
	for _, k := range kernels {
		file, n, err := k.build()
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		config := printer.Config{Name: "go", Argv: []string{"go", "run", ".", ".."}, Pkg: "asm"}
		assembly, err := printer.NewGoAsm(config).Print(file)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, k.name+"_amd64.s"), assembly, 0o644); err != nil {
			return err
		}
		log.Printf("%-8s %4d to %4d operations for %2d hashes, %4d for a tail of %d hash values",
			k.name, n.all.scan[15], n.all.scan[0], k.lanes, n.all.tail, maxStates)
		fmt.Fprintf(tables, "\n// %[1]sOps counts the operations of the functions in %[1]s_amd64.s.\n", k.name)
		n.all.write(tables, k.name+"Ops")
		if n.rounds.tail > 0 || n.rounds.scan[0] > 0 {
			fmt.Fprintf(tables, "\n// %[1]sRounds counts the SHA256RNDS2 instructions included in %[1]sOps.\n", k.name)
			n.rounds.write(tables, k.name+"Rounds")
		}
	}
	source, err := format.Source(tables.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ops_amd64.go"), source, 0o644)
}

// write writes the operations as a Go variable.
func (o operations) write(w io.Writer, name string) {
	fmt.Fprintf(w, "var %s = Ops{\nScan: %s,\nHash: %s,\nTail: %d,\n", name, array(o.scan), array(o.hash), o.tail)
	if o.grid[firstCounter] > 0 {
		fmt.Fprintf(w, "Grid: %s,\n", array(o.grid))
	}
	if o.shared > 0 {
		fmt.Fprintf(w, "Shared: %d,\n", o.shared)
	}
	fmt.Fprintln(w, "}")
}

// array returns the Go source of an array, with eight numbers on a line.
func array(numbers [16]int) string {
	source := "[16]int{"
	for i, n := range numbers {
		if i%8 == 0 {
			source += "\n"
		}
		source += fmt.Sprintf("%d, ", n)
	}
	return source + "\n}"
}

// build generates the functions, counts their operations, and lets avo allocate registers and
// check the result.
func (k kernel) build() (*ir.File, counts, error) {
	c := build.NewContext()
	c.Package("github.com/gkpow/gkpow/solver/asm")
	c.ConstraintExpr("!purego")

	gridSignature := "func(grid *Grid, words []uint32) int"
	if k.lanes < 16 {
		gridSignature = "func(grid *Grid, first int, words []uint32) int"
	}
	sharedSignature := "func(s *Shared, words []uint32) int"
	if k.sharedLast {
		sharedSignature = "func(s *Shared, last *Block, words []uint32) int"
	}
	for _, f := range []struct {
		name, signature, doc string
		write                func(*build.Context)
	}{
		{"search" + k.in, "func(b *Block, words []uint32, s *States) int",
			"does Scan if s is nil, else Hash", k.search},
		{"tails" + k.in, "func(s *States, tails []Tail, mask uint32) int", "does ScanTails", k.tails},
		{"grid" + k.in, gridSignature, "does ScanGrid", k.grid},
		{"shared" + k.in, sharedSignature, "does ScanShared", k.shared},
	} {
		if f.write == nil {
			continue
		}
		c.Function(f.name)
		c.SignatureExpr(f.signature)
		c.Doc(f.name + " " + f.doc + ". See Kernel.")
		if _, err := c.Result(); err != nil {
			return nil, counts{}, err // package asm does not build
		}
		f.write(c)
		spreadFromRegisters(c)
	}
	file, err := c.Result()
	if err != nil {
		return nil, counts{}, err
	}
	return file, k.count(file), pass.Compile.Execute(file)
}
