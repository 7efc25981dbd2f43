package bench

import (
	"slices"
	"time"
)

// The format and version of a saved report. The version changes when a field changes its
// name or meaning, but not when a field is added. Load also reads version 1, which called
// warnings doubts.
const (
	Format  = "gkpow-bench"
	Version = 2
)

// A Report is the result of a run. --save writes it as JSON. Rates are in hashes per
// second and times in seconds unless a name says otherwise. Unknown fields are absent.
type Report struct {
	Format  string `json:"format"`  // the constant Format
	Version int    `json:"version"` // the constant Version

	Verdict  Verdict `json:"verdict"`           // Pass, or Fail if any answer was wrong
	Complete bool    `json:"complete"`          // false if the run was stopped early
	Stopped  string  `json:"stopped,omitempty"` // why the run was stopped, or ""
	Summary  string  `json:"summary"`           // the result in one or two sentences

	Date     time.Time `json:"date"`             // start of the run, UTC
	Seconds  float64   `json:"seconds"`          // duration of the run, in seconds
	Settings Settings  `json:"settings"`         // the options, with defaults filled in
	Machine  Machine   `json:"machine"`          // hardware, system and versions
	Clock    Estimate  `json:"clock"`            // the CPU's clock during the run, in Hz
	Chosen   string    `json:"chosen,omitempty"` // kernel that package solver chose here, if known

	Work       []Work      `json:"work"`                 // the fixed work, one for each salt length
	Checksum   string      `json:"checksum"`             // checksum of all of Work, 16 hex digits
	Rows       []Row       `json:"rows"`                 // one for each strategy, salt length and number of threads
	Scaling    *Scaling    `json:"scaling,omitempty"`    // nil if only one number of threads was measured
	Solve      *Solve      `json:"solve,omitempty"`      // time to solution; nil if nothing could be measured
	Warnings   []Warning   `json:"warnings"`             // what may have disturbed the figures
	Comparison *Comparison `json:"comparison,omitempty"` // comparison with an earlier report, or nil
}

// A Verdict says whether all answers were correct.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "OK"
	Fail Verdict = "FAIL"
)

// Settings are the options of a run, with defaults filled in.
type Settings struct {
	Arguments   []string `json:"arguments,omitempty"` // flags of the command line
	Seed        uint64   `json:"seed"`                // seed of the random salts, nonces and order
	Strategies  []string `json:"strategies"`          // names
	SaltLengths []int    `json:"saltLengths"`         // in characters, ascending
	Threads     []int    `json:"threads"`             // numbers of threads, ascending
	Budget      float64  `json:"budget"`              // planned duration in seconds
	Rounds      int      `json:"rounds"`              // planned samples of each row
	Slice       float64  `json:"slice,omitempty"`     // planned length of a sample in seconds
	Difficulty  int      `json:"difficulty"`          // for the time to solution, in leading zero hex digits
}

// Work is the fixed work for a salt length: to find every solution of an easy puzzle within
// some ranges of nonces. Each strategy must do it correctly before it is measured. It
// depends only on the seed and the salt length, so the checksum is the same on every
// machine.
type Work struct {
	SaltLength int     `json:"saltLength"` // in characters
	Salt       string  `json:"salt"`       // hex digits
	Bits       int     `json:"bits"`       // leading zero bits of a solution
	Ranges     []Range `json:"ranges"`     // the nonces
	Hashes     uint64  `json:"hashes"`     // nonces in all ranges
	Found      int     `json:"found"`      // solutions among them
	Checksum   string  `json:"checksum"`   // checksum of the solutions found by crypto/sha256, 16 hex digits
}

// A Range holds the nonces from First to Last.
type Range struct {
	First uint64 `json:"first"` // smallest nonce
	Last  uint64 `json:"last"`  // largest nonce, included
}

// A Status says whether a row was measured, and if not, why.
type Status string

// The statuses of rows. Row.Reason explains all but the first.
const (
	Measured    Status = "ok"
	Failed      Status = "FAIL"         // an answer was wrong
	Unavailable Status = "unavailable"  // this CPU cannot run the strategy
	NotMeasured Status = "not measured" // the run was stopped or its time was up before this row's turn
)

// A Row is the throughput of a strategy.
type Row struct {
	Strategy   string `json:"strategy"`              // name
	Backend    string `json:"backend,omitempty"`     // kernel, if the strategy is one of package solver's
	SaltLength int    `json:"saltLength"`            // in characters
	Threads    int    `json:"threads"`               // threads, or workers of package solver
	Digits     int    `json:"nonceDigits,omitempty"` // decimal digits of the nonces searched
	Status     Status `json:"status"`                // whether the row has figures
	Reason     string `json:"reason,omitempty"`      // why the row has no figures, or ""

	Checksum string   `json:"checksum,omitempty"` // checksum of the solutions that the strategy found in the Work
	Samples  []Sample `json:"samples,omitempty"`  // one for each round, or only the warm-up if the run ended before the first

	Rate        *Estimate `json:"hashRate,omitempty"`      // hashes per second of all threads together
	Nanoseconds *Estimate `json:"nsPerHash,omitempty"`     // nanoseconds that one thread takes for a hash
	Cycles      *Estimate `json:"cyclesPerHash,omitempty"` // the same in cycles of the CPU's clock
	Operations  float64   `json:"opsPerHash,omitempty"`    // the kernel's operations for a hash: see solver.PlanSegment
	Bound       float64   `json:"boundCycles,omitempty"`   // the CPU's minimum cycles for a hash, where known: see docs/kernels.md
	BoundShare  float64   `json:"boundShare,omitempty"`    // Bound ÷ Cycles, 0 to 1
}

// A Sample is one measurement: a search of a few milliseconds.
type Sample struct {
	Hashes  uint64  `json:"hashes"`  // nonces tried by all threads
	Seconds float64 `json:"seconds"` // wall time in seconds
	// CPUSeconds is the CPU time that the process used during the sample, in seconds. It
	// is set only for one thread, on systems that count CPU time finely enough. It is less
	// than Seconds if the thread had to wait for a CPU.
	CPUSeconds float64 `json:"cpuSeconds,omitempty"`
	Hz         float64 `json:"hz,omitempty"` // clock of the CPU in hertz, measured in the same round
}

// rate returns hashes per second. For one thread, it excludes the time spent waiting for a
// CPU.
func (s Sample) rate() float64 {
	if s.CPUSeconds > 0 {
		return float64(s.Hashes) / min(s.Seconds, s.CPUSeconds)
	}
	return float64(s.Hashes) / s.Seconds
}

// Scaling is the rate of one strategy by number of threads.
type Scaling struct {
	Strategy   string         `json:"strategy"`   // name
	SaltLength int            `json:"saltLength"` // in characters
	Points     []ScalingPoint `json:"points"`     // by number of threads, ascending
}

// A ScalingPoint is the rate with some number of threads. If there is a row with that number, both
// have the same samples.
type ScalingPoint struct {
	Threads    int       `json:"threads"`              // number of threads
	Samples    []Sample  `json:"samples,omitempty"`    // one for each round
	Rate       *Estimate `json:"hashRate,omitempty"`   // hashes per second of all threads together
	Speedup    float64   `json:"speedup,omitempty"`    // the rate ÷ that of the first point
	Efficiency float64   `json:"efficiency,omitempty"` // the rate per thread ÷ that of the first point
}

// Solve is the time to solution.
type Solve struct {
	Strategy   string  `json:"strategy"`   // name
	SaltLength int     `json:"saltLength"` // in characters
	Threads    int     `json:"threads"`    // number of threads
	Difficulty int     `json:"difficulty"` // leading zero hex digits
	Rate       float64 `json:"hashRate"`   // hashes per second that the prediction is based on

	Start float64 `json:"start"` // seconds that a search takes to begin, included in the prediction

	Predicted Quantiles `json:"predicted"` // computed from Rate and Start; values above 292 years are absent
	Measured  Quantiles `json:"measured"`  // computed from Times; P95 needs 20 of them and P99 needs 100
	// PredictedLow is the predicted mean, in seconds, at the upper end of the rate's 95 % confidence
	// interval, or 0 if the rate has no interval.
	PredictedLow  float64 `json:"predictedMeanLow,omitempty"`
	PredictedHigh float64 `json:"predictedMeanHigh,omitempty"` // the same, in seconds, at the lower end
	// MeanLow and MeanHigh are the 95 % confidence interval of the measured mean, for
	// exponentially distributed times. They are 0 if no puzzle was solved.
	MeanLow  float64   `json:"measuredMeanLow,omitempty"`  // lower end, in seconds
	MeanHigh float64   `json:"measuredMeanHigh,omitempty"` // upper end, in seconds
	Planned  int       `json:"planned"`                    // puzzles to solve, each with a salt of its own
	Times    []float64 `json:"times"`                      // seconds for each solved puzzle, in the order of solving
	Note     string    `json:"note,omitempty"`             // why fewer than Planned were solved

	Deadline float64      `json:"deadline"`           // lifetime of a challenge in seconds
	Missed   float64      `json:"missed"`             // predicted chance that a solution takes longer, 0 to 1
	NotFound float64      `json:"notFound,omitempty"` // chance that no allowed nonce is a solution, 0 to 1
	Curve    []CurvePoint `json:"curve,omitempty"`    // the predicted distribution
	Fault    string       `json:"fault,omitempty"`    // the wrong answer, if there was one
	// Easier holds the results for a lower difficulty, whose puzzles were solved instead because
	// there was not enough time at this difficulty; Times is then empty here. Otherwise Easier is
	// nil.
	Easier *Solve `json:"easier,omitempty"`
}

// Quantiles are times in seconds, 0 if unknown.
type Quantiles struct {
	Mean float64 `json:"mean,omitempty"` // seconds
	P50  float64 `json:"p50,omitempty"`  // seconds
	P95  float64 `json:"p95,omitempty"`  // seconds
	P99  float64 `json:"p99,omitempty"`  // seconds
}

// A CurvePoint is the chance of a solution within a time.
type CurvePoint struct {
	Seconds float64 `json:"seconds"` // seconds since the start of the search
	Chance  float64 `json:"chance"`  // chance of a solution by then, 0 to 1
}

// A Warning reports something that may have disturbed the figures.
type Warning struct {
	Name    string `json:"name"`    // one of the Warning constants
	Message string `json:"message"` // what was observed, with figures
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

// mainSalt returns the salt length to show where there is room for only one: 32, as in
// solver.MeasureBackends, or the shortest if 32 was not measured.
func (s *Settings) mainSalt() int {
	if slices.Contains(s.SaltLengths, 32) || len(s.SaltLengths) == 0 {
		return 32
	}
	return s.SaltLengths[0]
}
