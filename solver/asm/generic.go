package asm

var generic = Kernel{
	Name:    "generic",
	Lanes:   1,
	MaxScan: 512,
	Ops:     func(vary int, tail bool) int { return operations(vary, tail, 26, 8) },
	Scan:    scanGeneric,
}

// scanGeneric is the kernel that all others are compared with: portable Go that
// runs everywhere. Indices are masked where the compiler cannot see their range.
func scanGeneric(b *Block, words []uint32) int {
	vary := b.Vary & 15
	schedule := &schedules[vary]
	kw := b.sum      // K[t] + W[t]; set below where W[t] varies
	var w [64]uint32 // W[t] where it varies
	for t := 16; t < 64; t++ {
		kw[t] += k[t]
	}

	for i, word := range words {
		w[vary] = b.Words[vary] | word
		for _, t := range schedule.partial {
			t := uint(t) & 63
			sum := b.sum[t]
			terms := schedule.terms[t]
			if terms&termSigma1 != 0 {
				sum += smallSigma1(w[(t-2)&63])
			}
			if terms&term7 != 0 {
				sum += w[(t-7)&63]
			}
			if terms&termSigma0 != 0 {
				sum += smallSigma0(w[(t-15)&63])
			}
			if terms&term16 != 0 {
				sum += w[(t-16)&63]
			}
			w[t] = sum
			kw[t] = k[t] + sum
		}
		for t := schedule.full; t < 64; t++ {
			w[t] = smallSigma1(w[(t-2)&63]) + w[(t-7)&63] + smallSigma0(w[(t-15)&63]) + w[(t-16)&63]
			kw[t] = k[t] + w[t]
		}

		s := b.after
		s[0] += w[vary]
		s[4] += w[vary]
		rounds(&s, &kw, vary+1)
		h0 := b.State[0] + s[0]
		if b.Tail {
			for i := range s {
				s[i] += b.State[i]
			}
			h0 = s[0]
			rounds(&s, &b.tail, 0)
			h0 += s[0]
		}
		if h0&b.Mask == 0 {
			return i
		}
	}
	return -1
}
