package asm

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestExpand compares each version of Expand with the message schedule of FIPS 180-4,
// section 6.2.2, for even and odd numbers of tails.
func TestExpand(t *testing.T) {
	versions := map[string]func([]Tail){"Expand": Expand, "generic": expandGeneric}
	for _, e := range expanders {
		if runs(e.kernel) {
			versions[e.kernel] = e.expand
		}
	}
	rng := rand.New(rand.NewPCG(7, 0))
	for name, version := range versions {
		for n := range 8 {
			tails := make([]Tail, n+1) // and one that must not change
			for i := range tails {
				for j := range tails[i] {
					tails[i][j] = rng.Uint32()
				}
			}
			want := slices.Clone(tails)
			for i := range want[:n] {
				w := &want[i]
				for j := 16; j < 64; j++ {
					w[j] = smallSigma1(w[j-2]) + w[j-7] + smallSigma0(w[j-15]) + w[j-16]
				}
				for j := range w {
					w[j] += k[j]
				}
			}
			if version(tails[:n:n]); !slices.Equal(tails, want) {
				t.Errorf("%s of %d tails differs from the specification", name, n)
			}
		}
	}
}

// TestExpandersPass fails if Expand does not use code that this CPU can run, because it fails
// its self-test.
func TestExpandersPass(t *testing.T) {
	for _, e := range expanders {
		if runs(e.kernel) && !expandsRight(e.expand) {
			t.Errorf("Expand with the instructions of %s fails its self-test", e.kernel)
		}
	}
	for _, name := range required() {
		if (name == "shani" || name == "avx2" || name == "sha2") &&
			!slices.ContainsFunc(expanders, func(e expander) bool { return e.kernel == name && runs(name) }) {
			t.Errorf("Expand has no code with the instructions of %s", name)
		}
	}
}

// TestExpandsRight runs the self-test on faulty versions of Expand.
func TestExpandsRight(t *testing.T) {
	if !expandsRight(expandGeneric) {
		t.Error("the self-test rejects expandGeneric")
	}
	for name, faulty := range map[string]func([]Tail){
		"does nothing":    func([]Tail) {},
		"forgets a tail":  func(tails []Tail) { expandGeneric(tails[:max(0, len(tails)-1)]) },
		"writes too much": func(tails []Tail) { expandGeneric(tails[:min(len(tails)+1, cap(tails))]) },
		"flips a bit": func(tails []Tail) {
			if expandGeneric(tails); len(tails) == 5 {
				tails[4][63] ^= 1
			}
		},
	} {
		if expandsRight(faulty) {
			t.Errorf("the self-test accepts a version that %s", name)
		}
	}
}
