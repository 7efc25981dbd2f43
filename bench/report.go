package bench

import (
	"slices"
	"time"
)

// What a file with a report says it is. The version changes when a field changes
// its name or meaning; new fields do not change it. Load also reads version 1,
// which called warnings doubts.
const (
	Format  = "gkpow-bench"
	Version = 2
)

// A Report is what a run has measured. As JSON it is what --save writes; rates
// are in hashes per second and times in seconds unless a name says otherwise.
// Fields that are not known are absent.
type Report struct {
	Format  string `json:"format"`  // Format
	Version int    `json:"version"` // Version
	// Verdict is Pass, or Fail if any answer was wrong. Whether all could be
	// measured is another matter: see Complete.
	Verdict Verdict `json:"verdict"`
	// Complete is false if the run was stopped before its end, and Stopped says
	// why.
	Complete bool   `json:"complete"`
	Stopped  string `json:"stopped,omitempty"`
	Summary  string `json:"summary"` // the closing sentence

	Date     time.Time `json:"date"` // of the start
	Seconds  float64   `json:"seconds"`
	Settings Settings  `json:"settings"`
	Machine  Machine   `json:"machine"`
	Clock    Estimate  `json:"clock"` // of the CPU in Hz, as measured in the run

	// Chosen is the kernel that package solver chooses on this machine, if it was
	// seen to choose one.
	Chosen string `json:"chosen,omitempty"`

	Work       []Work      `json:"work"`
	Checksum   string      `json:"checksum"` // over Work
	Rows       []Row       `json:"rows"`
	Scaling    *Scaling    `json:"scaling,omitempty"`
	Solve      *Solve      `json:"solve,omitempty"`
	Warnings   []Warning   `json:"warnings"`
	Comparison *Comparison `json:"comparison,omitempty"`
}

// A Verdict says whether all answers were right.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "OK"
	Fail Verdict = "FAIL"
)

// Settings are what was asked for, defaults filled in.
type Settings struct {
	Arguments   []string `json:"arguments,omitempty"` // of the command line
	Seed        uint64   `json:"seed"`
	Strategies  []string `json:"strategies"`
	SaltLengths []int    `json:"saltLengths"`
	Threads     []int    `json:"threads"`
	Budget      float64  `json:"budget"` // seconds
	Rounds      int      `json:"rounds"`
	Slice       float64  `json:"slice,omitempty"` // seconds of one sample
	Difficulty  int      `json:"difficulty"`      // zero hex digits, for the time to solution
}

// Work is the fixed work for a salt length that every strategy has to do rightly
// before it is measured: find all nonces in some ranges that solve an easy puzzle.
// It depends on the seed and the salt length only, so the checksum is the same on
// every machine.
type Work struct {
	SaltLength int     `json:"saltLength"`
	Salt       string  `json:"salt"`
	Bits       int     `json:"bits"` // leading zero bits
	Ranges     []Range `json:"ranges"`
	Hashes     uint64  `json:"hashes"`
	Found      int     `json:"found"`
	Checksum   string  `json:"checksum"` // of the nonces found, by crypto/sha256
}

// A Range is nonces, both included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// A Status says what became of a row.
type Status string

// The statuses of rows.
const (
	Measured    Status = "ok"
	Failed      Status = "FAIL"         // an answer was wrong; Reason says which
	Unavailable Status = "unavailable"  // this CPU cannot run it; Reason says why
	NotMeasured Status = "not measured" // the run ended before its turn
)

// A Row is the throughput of a strategy.
type Row struct {
	Strategy   string `json:"strategy"`
	Backend    string `json:"backend,omitempty"` // the kernel, if it is one of the engine's
	SaltLength int    `json:"saltLength"`        // characters
	Threads    int    `json:"threads"`
	Digits     int    `json:"nonceDigits,omitempty"` // of the nonces that were searched
	Status     Status `json:"status"`
	Reason     string `json:"reason,omitempty"` // of a status that is not Measured

	Checksum string    `json:"checksum,omitempty"` // of what it found of the Work
	Samples  []Sample  `json:"samples,omitempty"`  // one for each round, or that of warming up if the run was stopped before the first
	Rate     *Estimate `json:"hashRate,omitempty"` // of all threads together
	// Nanoseconds and Cycles are the time and the clock cycles of one thread for
	// one hash, by the rate of all threads.
	Nanoseconds *Estimate `json:"nsPerHash,omitempty"`
	Cycles      *Estimate `json:"cyclesPerHash,omitempty"`
	// Operations are those of the kernel for one hash: see solver.PlanSegment.
	Operations float64 `json:"opsPerHash,omitempty"`
	// Bound is the cycles for one hash that the CPU cannot do with less of, and
	// BoundShare what part of Cycles they are. They are known for some kernels on
	// some CPUs: see docs/kernels.md.
	Bound      float64 `json:"boundCycles,omitempty"`
	BoundShare float64 `json:"boundShare,omitempty"`
}

// A Sample is one measurement: a search of a few milliseconds.
type Sample struct {
	Hashes  uint64  `json:"hashes"`  // nonces tried by all threads
	Seconds float64 `json:"seconds"` // by the wall clock
	// CPUSeconds is the CPU time of the process in that time, in seconds, for samples
	// of one thread where the system counts it finely. It is less than Seconds if the
	// thread had to wait for a CPU.
	CPUSeconds float64 `json:"cpuSeconds,omitempty"`
	Hz         float64 `json:"hz,omitempty"` // of the CPU's clock, measured in the same round
}

// rate returns hashes per second. Time that one thread spent waiting for a CPU does
// not count.
func (s Sample) rate() float64 {
	if s.CPUSeconds > 0 {
		return float64(s.Hashes) / min(s.Seconds, s.CPUSeconds)
	}
	return float64(s.Hashes) / s.Seconds
}

// Scaling is the rate of one strategy by the number of threads.
type Scaling struct {
	Strategy   string         `json:"strategy"`
	SaltLength int            `json:"saltLength"`
	Points     []ScalingPoint `json:"points"`
}

// A ScalingPoint is the rate of so many threads.
type ScalingPoint struct {
	Threads int       `json:"threads"`
	Samples []Sample  `json:"samples,omitempty"`
	Rate    *Estimate `json:"hashRate,omitempty"`
	// Speedup is the rate as a multiple of the first point's, and Efficiency that
	// by the threads, as a multiple of the first point's.
	Speedup    float64 `json:"speedup,omitempty"`
	Efficiency float64 `json:"efficiency,omitempty"`
}

// Solve is the time to solution.
type Solve struct {
	Strategy   string  `json:"strategy"`
	SaltLength int     `json:"saltLength"`
	Threads    int     `json:"threads"`
	Difficulty int     `json:"difficulty"` // zero hex digits
	Rate       float64 `json:"hashRate"`   // by which it is predicted: the row's median
	// Predicted and Measured are without, or with fewer, values where they would
	// be longer than 292 years, or solving took too long.
	Predicted Quantiles `json:"predicted"`
	Measured  Quantiles `json:"measured"`
	// MeanLow and MeanHigh are the 95 % confidence interval of the measured mean, in
	// seconds, for exponentially distributed times. They are 0 if no puzzle was solved.
	MeanLow  float64 `json:"measuredMeanLow,omitempty"`
	MeanHigh float64 `json:"measuredMeanHigh,omitempty"`
	// Planned is how many puzzles were to be solved, each with a salt of its own,
	// and Times how many seconds each took, in the order in which they were solved.
	Planned int       `json:"planned"`
	Times   []float64 `json:"times"`
	Note    string    `json:"note,omitempty"` // why none or fewer were solved
	// Deadline is the time a challenge lives, and Missed the chance that a solution
	// takes longer, as predicted.
	Deadline float64 `json:"deadline"`
	Missed   float64 `json:"missed"`
	// NotFound is the chance that no allowed nonce is a solution.
	NotFound float64 `json:"notFound,omitempty"`
	// Curve is the predicted distribution.
	Curve []CurvePoint `json:"curve,omitempty"`
	Fault string       `json:"fault,omitempty"` // a wrong answer
}

// Quantiles are times in seconds, 0 if not known.
type Quantiles struct {
	Mean float64 `json:"mean,omitempty"`
	P50  float64 `json:"p50,omitempty"`
	P95  float64 `json:"p95,omitempty"`
	P99  float64 `json:"p99,omitempty"`
}

// A CurvePoint is the chance of a solution within a time.
type CurvePoint struct {
	Seconds float64 `json:"seconds"`
	Chance  float64 `json:"chance"`
}

// A Warning is a reason not to trust the figures.
type Warning struct {
	Name    string `json:"name"`    // one of the names below
	Message string `json:"message"` // what was seen, with figures
	Hint    string `json:"hint"`    // what to do about it
}

// The names of warnings.
const (
	WarningBusy           = "busy"
	WarningSteal          = "steal"
	WarningFrequency      = "frequency-change"
	WarningOneRun         = "one-run"
	WarningFewRounds      = "few-rounds"
	WarningShortSamples   = "short-samples"
	WarningFewerCPUs      = "fewer-cpus-than-threads"
	WarningOutliers       = "outliers"
	WarningVirtualMachine = "virtual-machine"
	WarningGovernor       = "powersave-governor"
	WarningThrottled      = "throttled"
	WarningFewSolves      = "few-solves"
	WarningPrediction     = "prediction"
	WarningNotMeasured    = "not-measured"
)

// row returns the row of a strategy, or nil.
func (r *Report) row(strategy string, saltLength, threads int) *Row {
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Strategy == strategy && row.SaltLength == saltLength && row.Threads == threads {
			return row
		}
	}
	return nil
}

// mainSalt is the salt length that stands for all where one is shown: 32, as in
// solver.MeasureBackends, or the first.
func (s *Settings) mainSalt() int {
	if slices.Contains(s.SaltLengths, 32) || len(s.SaltLengths) == 0 {
		return 32
	}
	return s.SaltLengths[0]
}
