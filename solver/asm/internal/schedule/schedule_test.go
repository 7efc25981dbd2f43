package schedule

import "testing"

// When word 11 varies, five words of the schedule stay constant.
func TestVarying(t *testing.T) {
	varying := Varying(11)
	constant := map[int]bool{16: true, 17: true, 19: true, 21: true, 23: true}
	for word, terms := range varying {
		if want := word < 16 || constant[word]; (terms == 0) != want {
			t.Errorf("W[%d]: %v varies; want constant: %v", word, terms, want)
		}
	}
	for word, want := range map[int]Terms{18: T7, 20: Sigma1, 26: Sigma1 | Sigma0, 27: Sigma1 | T7 | T16, 63: All} {
		if varying[word] != want {
			t.Errorf("W[%d]: %v varies; want %v", word, varying[word], want)
		}
	}
	if got := (Sigma1 | T16).String(); got != "sigma1, t-16" {
		t.Errorf("String() = %q", got)
	}
}
