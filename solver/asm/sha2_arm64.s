//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The functions hash four nonces at a time, in four interleaved chains. On cores
// like Neoverse N1 one pipe executes all SHA-2 instructions, one per cycle, and
// the results of SHA256H and SHA256H2 have a latency of 4 cycles. A chain issues
// one of each and then waits for both, 5 cycles in all, so 3 chains fill the pipe
// where there is no schedule to compute. The fourth chain covers the moves and
// loads in between, uses the last registers, and makes the words to search and
// the results whole vectors.
//
// The cost is then the number of SHA-2 instructions. To issue few of them, the
// rounds start at the group of four that reads the varying word, and terms of the
// schedule that do not vary are computed once. A tail needs no schedule: its
// K + W are the same for all hash values and stay in registers while the hash
// values pass through, four at a time. ScanShared has one hash value in each chain
// and computes one schedule for all of them.
//
// States hold, for each group of four hash values, a to d of all chains and then
// e to h of all chains.

// Registers of searchSHA2 for the whole call.
#define block  R0 // the Block
#define next   R1 // the next four words
#define last   R2 // the last four words
#define start  R3 // the first words
#define inputs R4 // the vectors that INPUTS needs
#define state  R5 // 4 copies of a to d before the first rounds, and of e to h
#define base16 R6 // 4 copies of the constant part of W[16] to W[19]
#define base20 R7 // the same for W[20] to W[23], and so on
#define base24 R8
#define base28 R9
#define base32 R10
#define vary   R11 // the word that varies
#define lane   R12 // its place among the four words
#define sums   R13 // K + W of the constant words after those four
#define sum    R14 // the next of them
#define k16    R15 // K[16]
#define kNext  R16 // the next element of K
#define rest   R17 // message words that do not vary
#define keep   R19 // where Hash stores the next four hash values, or 0 for Scan
#define added  R20 // bit 0: see added16
#define late   R21 // bit 0: see late28
#define fixed  R22 // bit 0: see fixed32
#define x      R23
#define y      R24

// Registers of tailsSHA2 for the whole call, besides x.
#define states R0 // the States
#define after  R1 // the end of the States
#define values R2 // the next four hash values
#define tail   R3 // the next tail
#define count  R4 // the number of tails
#define index  R5 // the number of tails searched

// Working variables of chains 0 to 3.
#define abcd0 V0
#define abcd1 V1
#define abcd2 V2
#define abcd3 V3
#define efgh0 V4
#define efgh1 V5
#define efgh2 V6
#define efgh3 V7

// The last 16 words of the schedule: P holds words 0 to 3 of the message, and
// later 16 to 19, 32 to 35 and 48 to 51. Q holds the four words after those of
// P, S those after Q, T those after S.
#define P0 V8
#define P1 V9
#define P2 V10
#define P3 V11
#define Q0 V12
#define Q1 V13
#define Q2 V14
#define Q3 V15
#define S0 V16
#define S1 V17
#define S2 V18
#define S3 V19
#define T0 V20
#define T1 V21
#define T2 V22
#define T3 V23

// K + W of four rounds, and a to d before those rounds. Two registers are enough
// for a to d, since the first pair of chains has read them when the second starts.
#define kw0  V24
#define kw1  V25
#define kw2  V26
#define kw3  V27
#define old0 V28
#define old1 V29

#define kv   V30 // K of four rounds
#define want V30 // the mask, in all lanes, after the last use of kv
#define h    V31 // the value to add to a of each chain to get H0

// The operands of INPUTS, in registers that the rounds use later.
#define words V24 // four of the words to search
#define lanes V27 // ones in the lane of the varying word
#define rests V28 // the constant words around it
#define bits  V29 // its constant bits, in all lanes

// Sets of varying words, as bit masks, for which a step has special instructions.
// If the word is in added16, W[16] to W[19] are W[9] to W[12] plus constants. In
// late28, smallSigma0 varies in W[28] to W[31] though words 12 to 15 do not. In
// fixed32, the terms smallSigma0 and W[t-16] are still constant in W[32] to W[35].
#define added16 (1<<8 | 1<<11 | 1<<12 | 1<<13)
#define late28 (1<<0 | 1<<1 | 1<<9)
#define fixed32 (1<<6 | 1<<7 | 1<<8)

// SPREAD stores four copies of v. It overwrites kw0 to kw3.
#define SPREAD(v, to) \
	VMOV v.B16, kw0.B16                         \
	VMOV v.B16, kw1.B16                         \
	VMOV v.B16, kw2.B16                         \
	VMOV v.B16, kw3.B16                         \
	VST1 [kw0.S4, kw1.S4, kw2.S4, kw3.S4], (to)

// INPUTS sets w0 to w3 to the group of four message words that contains the varying
// one, for chains 0 to 3.
#define INPUTS(w0, w1, w2, w3) \
	VDUP words.S[0], w0.S4            \
	VDUP words.S[1], w1.S4            \
	VDUP words.S[2], w2.S4            \
	VDUP words.S[3], w3.S4            \
	VBIF lanes.B16, rests.B16, w0.B16 \
	VBIF lanes.B16, rests.B16, w1.B16 \
	VBIF lanes.B16, rests.B16, w2.B16 \
	VBIF lanes.B16, rests.B16, w3.B16

// ADDK sets kw0 to kw3 to K + W.
#define ADDK(w0, w1, w2, w3) \
	VADD kv.S4, w0.S4, kw0.S4 \
	VADD kv.S4, w1.S4, kw1.S4 \
	VADD kv.S4, w2.S4, kw2.S4 \
	VADD kv.S4, w3.S4, kw3.S4

// HASH does four rounds of all chains.
#define HASH(k0, k1, k2, k3) \
	VMOV     abcd0.B16, old0.B16 \
	VMOV     abcd1.B16, old1.B16 \
	SHA256H  k0.S4, efgh0, abcd0 \
	SHA256H  k1.S4, efgh1, abcd1 \
	SHA256H2 k0.S4, old0, efgh0  \
	SHA256H2 k1.S4, old1, efgh1  \
	VMOV     abcd2.B16, old0.B16 \
	VMOV     abcd3.B16, old1.B16 \
	SHA256H  k2.S4, efgh2, abcd2 \
	SHA256H  k3.S4, efgh3, abcd3 \
	SHA256H2 k2.S4, old0, efgh2  \
	SHA256H2 k3.S4, old1, efgh3

// HASHFIRST is HASH when all chains start with the same working variables.
#define HASHFIRST(k0, k1, k2, k3) \
	VMOV     abcd0.B16, old0.B16 \
	SHA256H  k0.S4, efgh0, abcd0 \
	SHA256H  k1.S4, efgh1, abcd1 \
	SHA256H  k2.S4, efgh2, abcd2 \
	SHA256H  k3.S4, efgh3, abcd3 \
	SHA256H2 k0.S4, old0, efgh0  \
	SHA256H2 k1.S4, old0, efgh1  \
	SHA256H2 k2.S4, old0, efgh2  \
	SHA256H2 k3.S4, old0, efgh3

// HASHLAST is HASH when only a is needed afterwards.
#define HASHLAST(k0, k1, k2, k3) \
	SHA256H k0.S4, efgh0, abcd0 \
	SHA256H k1.S4, efgh1, abcd1 \
	SHA256H k2.S4, efgh2, abcd2 \
	SHA256H k3.S4, efgh3, abcd3

// NEXTK loads K of the next four rounds.
#define NEXTK VLD1.P 16(kNext), [kv.S4]

// CONSTANT does four rounds in which the message words are constant.
#define CONSTANT \
	VLD1.P 16(sum), [kw0.S4] \
	HASH(kw0, kw0, kw0, kw0)

// SIGMA0 turns the words p, W[t-16], into W[t-16] + smallSigma0(W[t-15]). The words
// q follow p.
#define SIGMA0(p0, p1, p2, p3, q0, q1, q2, q3) \
	SHA256SU0 q0.S4, p0.S4 \
	SHA256SU0 q1.S4, p1.S4 \
	SHA256SU0 q2.S4, p2.S4 \
	SHA256SU0 q3.S4, p3.S4

// SIGMA1 adds W[t-7] + smallSigma1(W[t-2]) to p, which completes the new words. The
// words s and t precede them.
#define SIGMA1(p0, p1, p2, p3, s0, s1, s2, s3, t0, t1, t2, t3) \
	SHA256SU1 t0.S4, s0.S4, p0.S4 \
	SHA256SU1 t1.S4, s1.S4, p1.S4 \
	SHA256SU1 t2.S4, s2.S4, p2.S4 \
	SHA256SU1 t3.S4, s3.S4, p3.S4

// ADDED is SIGMA1 when smallSigma1 is constant and already in p: it adds only W[t-7].
#define ADDED(p0, p1, p2, p3, s0, s1, s2, s3, t0, t1, t2, t3) \
	VEXT $4, t0.B16, s0.B16, kw0.B16 \
	VEXT $4, t1.B16, s1.B16, kw1.B16 \
	VEXT $4, t2.B16, s2.B16, kw2.B16 \
	VEXT $4, t3.B16, s3.B16, kw3.B16 \
	VADD kw0.S4, p0.S4, p0.S4        \
	VADD kw1.S4, p1.S4, p1.S4        \
	VADD kw2.S4, p2.S4, p2.S4        \
	VADD kw3.S4, p3.S4, p3.S4

// ROUNDS does the four rounds that use the words p. It expects their K in kv.
#define ROUNDS(p0, p1, p2, p3) \
	ADDK(p0, p1, p2, p3)     \
	HASH(kw0, kw1, kw2, kw3)

// SCHEDULE replaces the words p with those 16 later. The words q, s and t follow p.
#define SCHEDULE(p0, p1, p2, p3, q0, q1, q2, q3, s0, s1, s2, s3, t0, t1, t2, t3) \
	SIGMA0(p0, p1, p2, p3, q0, q1, q2, q3)                 \
	SIGMA1(p0, p1, p2, p3, s0, s1, s2, s3, t0, t1, t2, t3)

// GATHER sets the four lanes of to to a of the four chains. It overwrites kw0 and
// kw1.
#define GATHER(to) \
	VZIP1 abcd1.S4, abcd0.S4, kw0.S4 \
	VZIP1 abcd3.S4, abcd2.S4, kw1.S4 \
	VZIP1 kw1.D2, kw0.D2, to.D2

// COMPARE sets x to 16 ones for each chain that is a hit, one whose H0 has all bits
// of the mask zero. It expects want and h to be set, and overwrites kw0 and kw1.
#define COMPARE \
	GATHER(kw0)                    \
	VADD   h.S4, kw0.S4, kw0.S4    \
	VCMTST want.S4, kw0.S4, kw0.S4 \
	VUZP1  kw0.H8, kw0.H8, kw0.H8  \
	VMOV   kw0.D[0], x             \
	MVN    x, x

// func searchSHA2(b *Block, words []uint32, s *States) int
TEXT ·searchSHA2(SB), 0, $592-48
	MOVD b+0(FP), block
	MOVD words_base+8(FP), start
	MOVD words_len+16(FP), x
	MOVD s+32(FP), keep
	CBZ  x, none

	// If there are fewer than four words, copy them to the stack and append copies
	// of the first. If a copy is a hit, so is the first.
	SUB   $4, x, y
	ADD   y<<2, start, last
	TBZ   $63, y, prepare
	VLD1R (start), [words.S4]
	MOVD  $pad-16(SP), last
	VST1  [words.S4], (last)
	CMP   $2, x
	BLT   padded
	MOVWU 4(start), y
	MOVW  y, 4(last)
	BEQ   padded
	MOVWU 8(start), y
	MOVW  y, 8(last)

padded:
	MOVD last, start

prepare:
	MOVD Block_Vary(block), vary
	AND  $15, vary, vary
	AND  $3, vary, lane
	MOVD $added16, added
	LSR  vary, added, added
	MOVD $late28, late
	LSR  vary, late, late
	MOVD $fixed32, fixed
	LSR  vary, fixed, fixed

	// Load the message words into P0 to P3, with 0 for the one that varies.
	ADD   $Block_Words, block, x
	VLD1  (x), [P0.S4, P1.S4, P2.S4, P3.S4]
	ADD   vary<<2, x, y
	VLD1R (y), [bits.S4]
	MOVD  $message-80(SP), y
	VST1  [P0.S4, P1.S4, P2.S4, P3.S4], (y)
	MOVW  ZR, (y)(vary<<2)
	VLD1  (y), [P0.S4, P1.S4, P2.S4, P3.S4]

	// Store the operands of INPUTS, and K for the rounds of those words.
	MOVD $input-144(SP), inputs
	VEOR lanes.B16, lanes.B16, lanes.B16
	VST1 [lanes.S4], (inputs)
	MOVW $-1, x
	MOVW x, (inputs)(lane<<2)
	VLD1 (inputs), [lanes.S4]
	SUB  lane, vary, x
	ADD  x<<2, y, y
	VLD1 (y), [rests.S4]
	MOVD $·k(SB), k16
	ADD  x<<2, k16, y
	VLD1 (y), [kv.S4]
	VST1 [lanes.S4, rests.S4, bits.S4, kv.S4], (inputs)
	ADD  $64, k16, k16

	// Point to K + W of the rounds after those, and store the working variables
	// before those rounds.
	ADD  x<<2, block, sums
	ADD  $(Block_sum+16), sums, sums
	ADD  x<<5, block, y
	ADD  $Block_before, y, y
	VLD1 (y), [Q0.S4, Q1.S4]
	MOVD $first-272(SP), state
	SPREAD(Q0, state)
	ADD  $64, state, y
	SPREAD(Q1, y)

	// Point to the message words that a step reads unchanged: those after the group
	// of the varying word, or words 8 to 11 if that group is the last.
	ADD  $4, x, x
	CMP  $16, x
	BNE  constant
	MOVD $8, x

constant:
	ADD $Block_Words, block, rest
	ADD x<<2, rest, rest

	// Load the constant terms of W[16] to W[23].
	ADD  $(Block_sum+64), block, x
	VLD1 (x), [Q0.S4, Q1.S4]

	// Store the terms that SIGMA1 completes, for W[32] to W[35], then W[28] to W[31]
	// and so on: W[t-16], plus smallSigma0(W[t-15]) where that is constant.
	MOVD      $w32-336(SP), base32
	VMOV      Q0.B16, S0.B16
	SHA256SU0 Q1.S4, S0.S4
	SPREAD(S0, base32)

	MOVD      $w28-400(SP), base28
	VMOV      P3.B16, S0.B16
	TBNZ      $0, late, store28
	SHA256SU0 Q0.S4, S0.S4

store28:
	SPREAD(S0, base28)

	MOVD      $w24-464(SP), base24
	VMOV      P2.B16, S0.B16
	CMP       $12, vary
	BEQ       store24
	SHA256SU0 P3.S4, S0.S4

store24:
	SPREAD(S0, base24)

	MOVD      $w20-528(SP), base20
	VMOV      P1.B16, S0.B16
	CMP       $8, vary
	BEQ       store20
	SHA256SU0 P2.S4, S0.S4

store20:
	SPREAD(S0, base20)

	// W[16] to W[19] are constant if word 5, 6 or 7 varies. If the word is in
	// added16, only their term W[t-7] varies.
	MOVD      $w16-592(SP), base16
	VMOV      P0.B16, S0.B16
	CMP       $4, vary
	BEQ       store16
	VMOV      Q0.B16, S0.B16
	CMP       $8, vary
	BLT       store16
	VEXT      $4, P3.B16, P2.B16, S1.B16
	VSUB      S1.S4, S0.S4, S0.S4
	TBNZ      $0, added, store16
	VMOV      P0.B16, S0.B16
	SHA256SU0 P1.S4, S0.S4

store16:
	SPREAD(S0, base16)
	MOVD start, next

step:
	// Load the values that all steps share, and the words to search.
	ADD  $64, state, x
	VLD1 (inputs), [lanes.S4, rests.S4, bits.S4, kv.S4]
	VLD1 (next), [words.S4]
	VLD1 (state), [abcd0.S4, abcd1.S4, abcd2.S4, abcd3.S4]
	VLD1 (x), [efgh0.S4, efgh1.S4, efgh2.S4, efgh3.S4]
	VORR bits.B16, words.B16, words.B16
	MOVD sums, sum
	MOVD k16, kNext
	TBNZ $3, vary, words8to15
	TBNZ $2, vary, words4

	// One of words 0 to 3 varies: rounds 0 to 15, W[16] to W[31].
	INPUTS(P0, P1, P2, P3)
	ADDK(P0, P1, P2, P3)
	HASHFIRST(kw0, kw1, kw2, kw3)
	VLD1 (rest), [S2.S4, S3.S4, T0.S4]
	SCHEDULE(P0, P1, P2, P3, S2, S2, S2, S2, S3, S3, S3, S3, T0, T0, T0, T0)
	CONSTANT
	VLD1 (base20), [Q0.S4, Q1.S4, Q2.S4, Q3.S4]
	SIGMA1(Q0, Q1, Q2, Q3, T0, T0, T0, T0, P0, P1, P2, P3)
	CONSTANT
	VLD1 (base24), [S0.S4, S1.S4, S2.S4, S3.S4]
	SIGMA1(S0, S1, S2, S3, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	CONSTANT
	VLD1 (base28), [T0.S4, T1.S4, T2.S4, T3.S4]
	TBZ  $0, late, words0end
	SIGMA0(T0, T1, T2, T3, P0, P1, P2, P3)

words0end:
	SIGMA1(T0, T1, T2, T3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)
	JMP round16

words4:
	// One of words 4 to 7 varies: rounds 4 to 15, W[16] to W[31].
	INPUTS(Q0, Q1, Q2, Q3)
	ADDK(Q0, Q1, Q2, Q3)
	HASHFIRST(kw0, kw1, kw2, kw3)
	VLD1 (rest), [S3.S4, T0.S4]
	VLD1 (base16), [P0.S4, P1.S4, P2.S4, P3.S4]
	CBNZ lane, words4next
	SCHEDULE(P0, P1, P2, P3, Q0, Q1, Q2, Q3, S3, S3, S3, S3, T0, T0, T0, T0)

words4next:
	SCHEDULE(Q0, Q1, Q2, Q3, S3, S3, S3, S3, T0, T0, T0, T0, P0, P1, P2, P3)
	CONSTANT
	VLD1 (base24), [S0.S4, S1.S4, S2.S4, S3.S4]
	SIGMA1(S0, S1, S2, S3, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	CONSTANT
	VLD1 (base28), [T0.S4, T1.S4, T2.S4, T3.S4]
	SIGMA1(T0, T1, T2, T3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)
	JMP  round16

words8to15:
	TBNZ $2, vary, words12

	// One of words 8 to 11 varies: rounds 8 to 15, W[16] to W[31].
	INPUTS(S0, S1, S2, S3)
	ADDK(S0, S1, S2, S3)
	HASHFIRST(kw0, kw1, kw2, kw3)
	VLD1 (rest), [T0.S4]
	VLD1 (base16), [P0.S4, P1.S4, P2.S4, P3.S4]
	TBNZ $0, added, words8added
	SIGMA1(P0, P1, P2, P3, S0, S1, S2, S3, T0, T0, T0, T0)
	JMP  words8next

words8added:
	ADDED(P0, P1, P2, P3, S0, S1, S2, S3, T0, T0, T0, T0)

words8next:
	VLD1 (base20), [Q0.S4, Q1.S4, Q2.S4, Q3.S4]
	CBNZ lane, words8sigma1
	SIGMA0(Q0, Q1, Q2, Q3, S0, S1, S2, S3)

words8sigma1:
	SIGMA1(Q0, Q1, Q2, Q3, T0, T0, T0, T0, P0, P1, P2, P3)
	CONSTANT
	SCHEDULE(S0, S1, S2, S3, T0, T0, T0, T0, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	VLD1 (base28), [T0.S4, T1.S4, T2.S4, T3.S4]
	TBZ  $0, late, words8end
	SIGMA0(T0, T1, T2, T3, P0, P1, P2, P3)

words8end:
	SIGMA1(T0, T1, T2, T3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)
	JMP round16

words12:
	// One of words 12 to 15 varies: rounds 12 to 15, W[16] to W[31].
	INPUTS(T0, T1, T2, T3)
	ADDK(T0, T1, T2, T3)
	HASHFIRST(kw0, kw1, kw2, kw3)
	VLD1 (rest), [S3.S4]
	VLD1 (base16), [P0.S4, P1.S4, P2.S4, P3.S4]
	TBNZ $0, added, words12added
	SIGMA1(P0, P1, P2, P3, S3, S3, S3, S3, T0, T1, T2, T3)
	JMP  words12next

words12added:
	ADDED(P0, P1, P2, P3, S3, S3, S3, S3, T0, T1, T2, T3)

words12next:
	VLD1 (base20), [Q0.S4, Q1.S4, Q2.S4, Q3.S4]
	SIGMA1(Q0, Q1, Q2, Q3, T0, T1, T2, T3, P0, P1, P2, P3)
	VLD1 (base24), [S0.S4, S1.S4, S2.S4, S3.S4]
	CBNZ lane, words12sigma1
	SIGMA0(S0, S1, S2, S3, T0, T1, T2, T3)

words12sigma1:
	SIGMA1(S0, S1, S2, S3, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	SCHEDULE(T0, T1, T2, T3, P0, P1, P2, P3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)

round16:
	// Rounds 16 to 31, W[32] to W[47].
	NEXTK
	ROUNDS(P0, P1, P2, P3)
	NEXTK
	TBNZ $0, fixed, load32
	SIGMA0(P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	JMP  sigma32

load32:
	VLD1 (base32), [P0.S4, P1.S4, P2.S4, P3.S4]

sigma32:
	SIGMA1(P0, P1, P2, P3, S0, S1, S2, S3, T0, T1, T2, T3)
	ROUNDS(Q0, Q1, Q2, Q3)
	NEXTK
	SCHEDULE(Q0, Q1, Q2, Q3, S0, S1, S2, S3, T0, T1, T2, T3, P0, P1, P2, P3)
	ROUNDS(S0, S1, S2, S3)
	NEXTK
	SCHEDULE(S0, S1, S2, S3, T0, T1, T2, T3, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	ROUNDS(T0, T1, T2, T3)
	NEXTK
	SCHEDULE(T0, T1, T2, T3, P0, P1, P2, P3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)

	// Rounds 32 to 47, W[48] to W[63].
	ROUNDS(P0, P1, P2, P3)
	NEXTK
	SCHEDULE(P0, P1, P2, P3, Q0, Q1, Q2, Q3, S0, S1, S2, S3, T0, T1, T2, T3)
	ROUNDS(Q0, Q1, Q2, Q3)
	NEXTK
	SCHEDULE(Q0, Q1, Q2, Q3, S0, S1, S2, S3, T0, T1, T2, T3, P0, P1, P2, P3)
	ROUNDS(S0, S1, S2, S3)
	NEXTK
	SCHEDULE(S0, S1, S2, S3, T0, T1, T2, T3, P0, P1, P2, P3, Q0, Q1, Q2, Q3)
	ROUNDS(T0, T1, T2, T3)
	NEXTK
	SCHEDULE(T0, T1, T2, T3, P0, P1, P2, P3, Q0, Q1, Q2, Q3, S0, S1, S2, S3)

	// Rounds 48 to 63. Adding State[0] to a gives H0.
	ROUNDS(P0, P1, P2, P3)
	NEXTK
	ROUNDS(Q0, Q1, Q2, Q3)
	NEXTK
	ROUNDS(S0, S1, S2, S3)
	NEXTK
	ADDK(T0, T1, T2, T3)
	ADD   $Block_State, block, x
	CBNZ  keep, hash
	HASHLAST(kw0, kw1, kw2, kw3)
	ADD   $Block_Mask, block, y
	VLD1R (x), [h.S4]
	VLD1R (y), [want.S4]
	COMPARE
	CBNZ  x, found

advance:
	// The last step searches the last four words, even if some were searched before.
	ADD  $16, next, next
	CMP  last, next
	BLS  step
	SUB  last, next, x
	MOVD last, next
	CMP  $16, x
	BNE  step

none:
	MOVD $-1, x
	MOVD x, ret+40(FP)
	RET

found:
	// Return the number of words before this step plus the first chain with a hit.
	RBIT x, x
	CLZ  x, x
	LSR  $4, x, x
	SUB  start, next, y
	ADD  y>>2, x, x
	MOVD x, ret+40(FP)
	RET

hash:
	// Store the whole hash values. MaxStates is a multiple of four, so every step is full.
	HASH(kw0, kw1, kw2, kw3)
	VLD1   (x), [kw0.S4, kw1.S4]
	VADD   kw0.S4, abcd0.S4, abcd0.S4
	VADD   kw0.S4, abcd1.S4, abcd1.S4
	VADD   kw0.S4, abcd2.S4, abcd2.S4
	VADD   kw0.S4, abcd3.S4, abcd3.S4
	VADD   kw1.S4, efgh0.S4, efgh0.S4
	VADD   kw1.S4, efgh1.S4, efgh1.S4
	VADD   kw1.S4, efgh2.S4, efgh2.S4
	VADD   kw1.S4, efgh3.S4, efgh3.S4
	VST1.P [abcd0.S4, abcd1.S4, abcd2.S4, abcd3.S4], 64(keep)
	VST1.P [efgh0.S4, efgh1.S4, efgh2.S4, efgh3.S4], 64(keep)
	JMP    advance

// func tailsSHA2(s *States, tails []Tail, mask uint32) int
TEXT ·tailsSHA2(SB), NOSPLIT, $0-48
	MOVD  s+0(FP), states
	MOVD  tails_base+8(FP), tail
	MOVD  tails_len+16(FP), count
	MOVWU mask+32(FP), x
	VDUP  x, want.S4
	ADD   $States__size, states, after
	MOVD  $0, index
	CBZ   count, none

search:
	// All K + W of a tail fit in the registers of the schedule.
	VLD1.P 64(tail), [P0.S4, P1.S4, P2.S4, P3.S4]
	VLD1.P 64(tail), [Q0.S4, Q1.S4, Q2.S4, Q3.S4]
	VLD1.P 64(tail), [S0.S4, S1.S4, S2.S4, S3.S4]
	VLD1.P 64(tail), [T0.S4, T1.S4, T2.S4, T3.S4]
	MOVD   states, values

step:
	VLD1.P 64(values), [abcd0.S4, abcd1.S4, abcd2.S4, abcd3.S4]
	VLD1.P 64(values), [efgh0.S4, efgh1.S4, efgh2.S4, efgh3.S4]
	GATHER(h)
	HASH(P0, P0, P0, P0)
	HASH(P1, P1, P1, P1)
	HASH(P2, P2, P2, P2)
	HASH(P3, P3, P3, P3)
	HASH(Q0, Q0, Q0, Q0)
	HASH(Q1, Q1, Q1, Q1)
	HASH(Q2, Q2, Q2, Q2)
	HASH(Q3, Q3, Q3, Q3)
	HASH(S0, S0, S0, S0)
	HASH(S1, S1, S1, S1)
	HASH(S2, S2, S2, S2)
	HASH(S3, S3, S3, S3)
	HASH(T0, T0, T0, T0)
	HASH(T1, T1, T1, T1)
	HASH(T2, T2, T2, T2)
	HASHLAST(T3, T3, T3, T3)
	COMPARE
	CBNZ   x, found
	CMP    after, values
	BNE    step
	ADD    $1, index, index
	CMP    count, index
	BNE    search

none:
	MOVD $-1, index

found:
	MOVD index, ret+40(FP)
	RET

// Registers of sharedSHA2 for the whole call, besides start and k16.
#define chunks R4 // the Shared
#define word   R5 // the next word to search
#define end    R6 // the end of the words

// The message words 8 to 15 of sharedSHA2; K + W of the first sixteen rounds, for
// W[0] without the bits that vary; and the terms of W[16] to W[27] that SHA256SU1
// completes.
#define words8to11  P2
#define words12to15 P3
#define kw0to3      Q1
#define kw4to7      Q2
#define kw8to11     Q3
#define kw12to15    S1
#define terms16     S3
#define terms20     P1
#define terms24     S2

// The bits of the varying word, in the lowest lane of a vector.
#define digits V26
#define digit  F26

// LOADCHAINS loads the four hash values. It overwrites x.
#define LOADCHAINS \
	ADD    $Shared_States, chunks, x \
	VLD1.P 16(x), [abcd0.S4]         \
	VLD1.P 16(x), [efgh0.S4]         \
	VLD1.P 16(x), [abcd1.S4]         \
	VLD1.P 16(x), [efgh1.S4]         \
	VLD1.P 16(x), [abcd2.S4]         \
	VLD1.P 16(x), [efgh2.S4]         \
	VLD1.P 16(x), [abcd3.S4]         \
	VLD1.P 16(x), [efgh3.S4]

// HASHALL does four rounds of all chains with the same K + W.
#define HASHALL(k0) HASH(k0, k0, k0, k0)

// SHAREDROUNDS does the four rounds that use the words p.
#define SHAREDROUNDS(p) \
	NEXTK                     \
	VADD kv.S4, p.S4, kw0.S4  \
	HASHALL(kw0)

// SHAREDSCHEDULE replaces the words p with those 16 later. The words q, s and t follow
// p.
#define SHAREDSCHEDULE(p, q, s, t) \
	SHA256SU0 q.S4, p.S4       \
	SHA256SU1 t.S4, s.S4, p.S4

// func sharedSHA2(s *Shared, words []uint32) int
//
// The chains belong to the four hash values and share the schedule of one word.
TEXT ·sharedSHA2(SB), NOSPLIT, $0-40
	MOVD s+0(FP), chunks
	MOVD words_base+8(FP), start
	MOVD words_len+16(FP), x
	CBZ  x, none
	ADD  x<<2, start, end
	MOVD start, word

	// Compute what all steps share.
	MOVD      $·k(SB), k16
	VLD1.P    64(k16), [kw0.S4, kw1.S4, kw2.S4, kw3.S4]
	ADD       $Shared_Words, chunks, x
	VLD1      (x), [P0.S4, P1.S4, P2.S4, P3.S4]
	VADD      kw0.S4, P0.S4, kw0to3.S4
	VADD      kw1.S4, P1.S4, kw4to7.S4
	VADD      kw2.S4, P2.S4, kw8to11.S4
	VADD      kw3.S4, P3.S4, kw12to15.S4
	VMOV      P0.B16, terms16.B16
	SHA256SU0 P1.S4, terms16.S4
	SHA256SU0 P2.S4, terms20.S4
	VMOV      P2.B16, terms24.B16
	SHA256SU0 P3.S4, terms24.S4

step:
	// Rounds 0 to 15, W[16] to W[31].
	FMOVS.P   4(word), digit
	MOVD      k16, kNext
	LOADCHAINS
	GATHER(h)
	VADD      digits.S4, kw0to3.S4, kw0.S4
	HASHALL(kw0)
	VADD      digits.S4, terms16.S4, P0.S4
	SHA256SU1 words12to15.S4, words8to11.S4, P0.S4
	HASHALL(kw4to7)
	VMOV      terms20.B16, Q0.B16
	SHA256SU1 P0.S4, words12to15.S4, Q0.S4
	HASHALL(kw8to11)
	VMOV      terms24.B16, S0.B16
	SHA256SU1 Q0.S4, P0.S4, S0.S4
	HASHALL(kw12to15)
	VMOV      words12to15.B16, T0.B16
	SHAREDSCHEDULE(T0, P0, Q0, S0)

	// Rounds 16 to 47, W[32] to W[63].
	SHAREDROUNDS(P0)
	SHAREDSCHEDULE(P0, Q0, S0, T0)
	SHAREDROUNDS(Q0)
	SHAREDSCHEDULE(Q0, S0, T0, P0)
	SHAREDROUNDS(S0)
	SHAREDSCHEDULE(S0, T0, P0, Q0)
	SHAREDROUNDS(T0)
	SHAREDSCHEDULE(T0, P0, Q0, S0)
	SHAREDROUNDS(P0)
	SHAREDSCHEDULE(P0, Q0, S0, T0)
	SHAREDROUNDS(Q0)
	SHAREDSCHEDULE(Q0, S0, T0, P0)
	SHAREDROUNDS(S0)
	SHAREDSCHEDULE(S0, T0, P0, Q0)
	SHAREDROUNDS(T0)
	SHAREDSCHEDULE(T0, P0, Q0, S0)

	// Rounds 48 to 63. Adding the first words of the hash values to a gives H0.
	SHAREDROUNDS(P0)
	SHAREDROUNDS(Q0)
	SHAREDROUNDS(S0)
	NEXTK
	VADD  kv.S4, T0.S4, kw0.S4
	HASHLAST(kw0, kw0, kw0, kw0)
	ADD   $Shared_Mask, chunks, x
	VLD1R (x), [want.S4]
	COMPARE
	CBNZ  x, found
	CMP   end, word
	BNE   step

none:
	MOVD $-1, x
	MOVD x, ret+32(FP)
	RET

found:
	// The next word is one further than the hit.
	SUB  start, word, x
	LSR  $2, x, x
	SUB  $1, x, x
	MOVD x, ret+32(FP)
	RET
