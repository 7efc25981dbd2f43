package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteJSON writes the report as one line of JSON, in the format that Load reads.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// maxReport is the largest report that Load accepts, in bytes.
const maxReport = 64 << 20

// Load reads a report written by WriteJSON, and recomputes every figure that depends on the
// samples. Load returns an error if the input is not a report, is damaged, or has a newer version.
func Load(in io.Reader) (*Report, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if len(data) > maxReport {
		return nil, errors.New("bench: the report is larger than 64 MiB")
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		// Doubts is the name of Report.Warnings in version 1.
		Doubts []Warning `json:"doubts"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("bench: this is not a report saved by gkpow bench --save: %w", err)
	}
	switch {
	case head.Format != Format:
		return nil, fmt.Errorf("bench: this is not a report saved by gkpow bench --save: its format is %q, not %q", head.Format, Format)
	case head.Version > Version:
		return nil, fmt.Errorf("bench: the report has version %d, but this gkpow reads versions up to %d: use a newer gkpow", head.Version, Version)
	case head.Version < 1:
		return nil, fmt.Errorf("bench: the report has the invalid version %d", head.Version)
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil || !showable(all) {
		return nil, errors.New("bench: the report is damaged: it contains unprintable characters")
	}
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("bench: the report is damaged: %w", err)
	}
	if head.Version == 1 {
		r.Version, r.Warnings = Version, head.Doubts
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("bench: the report is damaged: %w", err)
	}
	return r, nil
}

// check returns an error if the report breaks a rule that the rest of the package relies on, and
// recomputes the figures that depend on the samples.
func (r *Report) check() error {
	for i := range r.Rows {
		row := &r.Rows[i]
		name := row.name()
		if row.Threads < 1 {
			return fmt.Errorf("row %s has no threads", name)
		}
		if r.row(row.Strategy, row.SaltLength, row.Threads) != row {
			return fmt.Errorf("row %s appears twice", name)
		}
		switch row.Status {
		case Measured, Failed, Unavailable, NotMeasured:
		default:
			return fmt.Errorf("row %s has the unknown status %q", name, row.Status)
		}
		if err := checkSamples(row.Samples); err != nil {
			return fmt.Errorf("row %s: %w", name, err)
		}
		if row.Status == Measured && len(row.Samples) == 0 {
			return fmt.Errorf("row %s has no samples", name)
		}
		row.Rate, row.Nanoseconds, row.Cycles = nil, nil, nil
		row.fill(row.Samples)
	}
	if len(r.Settings.Threads) == 0 || len(r.Settings.SaltLengths) == 0 {
		return errors.New("it does not say which salt lengths and threads were measured")
	}
	if s := r.Scaling; s != nil {
		for _, p := range s.Points {
			if err := checkSamples(p.Samples); err != nil || p.Threads < 1 {
				return fmt.Errorf("scaling to %d threads: %w", p.Threads, err)
			}
		}
		s.fill()
	}
	for s := r.Solve; s != nil; s = s.Easier {
		if err := s.check(); err != nil {
			return err
		}
		s.fill()
	}
	r.Summary = r.summary()
	return nil
}

// Bounds of plausible times in seconds. The longest time.Duration is 9.2e9 s; the interval of a
// predicted mean may end later.
const leastSeconds, mostSeconds = 1e-9, 1e15

// check returns an error if a time or a chance is implausible.
func (s *Solve) check() error {
	for _, t := range s.Times {
		if !(t >= leastSeconds && t <= mostSeconds) {
			return fmt.Errorf("invalid time to solution: %v s", t)
		}
	}
	p := s.Predicted
	for _, t := range []float64{p.Mean, p.P50, p.P95, p.P99, s.PredictedLow, s.PredictedHigh} {
		if t != 0 && !(t >= leastSeconds && t <= mostSeconds) {
			return fmt.Errorf("invalid predicted time to solution: %v s", t)
		}
	}
	if len(s.Times) > 0 && p.Mean == 0 {
		return errors.New("it has times to solution, but no predicted one")
	}
	for _, c := range s.Curve {
		if !(c.Seconds >= leastSeconds && c.Seconds <= mostSeconds && c.Chance >= 0 && c.Chance <= 1) {
			return fmt.Errorf("invalid point of the predicted distribution: %v s, chance %v", c.Seconds, c.Chance)
		}
	}
	if !(s.Deadline > 0 && s.Deadline <= mostSeconds && s.Missed >= 0 && s.Missed <= 1) {
		return fmt.Errorf("invalid deadline: %v s, missed with a chance of %v", s.Deadline, s.Missed)
	}
	if !(s.NotFound >= 0 && s.NotFound <= 1) {
		return fmt.Errorf("invalid chance that no nonce is a solution: %v", s.NotFound)
	}
	return nil
}

// showable reports whether all text in a JSON value is safe to print on a terminal. It
// allows line breaks, since a reason may have several lines.
func showable(value any) bool {
	switch value := value.(type) {
	case string:
		return !strings.ContainsFunc(value, func(r rune) bool { return !strconv.IsPrint(r) && r != '\n' })
	case []any:
		return !slices.ContainsFunc(value, func(v any) bool { return !showable(v) })
	case map[string]any:
		for name, v := range value {
			if !showable(name) || !showable(v) {
				return false
			}
		}
	}
	return true
}

// Bounds of plausible rates, in hashes per second. Rates beyond them would give figures that JSON
// cannot represent.
const leastRate, mostRate = 1e-6, 1e18

func checkSamples(samples []Sample) error {
	for _, s := range samples {
		if s.Hashes == 0 || !(s.Seconds > 0) || s.rate() < leastRate || s.rate() > mostRate || s.Hz < 0 || s.Hz > mostRate ||
			s.CPUSeconds < 0 || s.CPUSeconds > 0 && s.CPUSeconds < s.Seconds/leastCPUShare {
			return fmt.Errorf("implausible sample: %d hashes in %v s at %v Hz", s.Hashes, s.Seconds, s.Hz)
		}
	}
	return nil
}
