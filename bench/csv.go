package bench

import (
	"encoding/csv"
	"io"
	"strconv"
)

// csvColumns are the columns of WriteCSV.
var csvColumns = []string{
	"strategy", "kernel", "salt_length", "threads", "status", "reason", "samples",
	"hashes_per_second", "low", "high", "ns_per_hash", "cycles_per_hash", "ops_per_hash", "bound_cycles",
}

// WriteCSV writes a header line and then a line for each row of the report (RFC 4180).
// Rates are in hashes per second of all threads together, and low and high are the ends of
// their 95 % confidence interval. The other figures are nanoseconds, cycles and operations
// that one thread takes for one hash. Unknown values are empty.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	number := func(v float64) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	median := func(e *Estimate) string {
		if e == nil {
			return ""
		}
		return number(e.Median)
	}
	lines := [][]string{csvColumns}
	for i := range r.Rows {
		row := &r.Rows[i]
		line := []string{row.Strategy, row.Backend, strconv.Itoa(row.SaltLength), strconv.Itoa(row.Threads),
			string(row.Status), row.Reason}
		if row.Status != Measured {
			lines = append(lines, append(line, make([]string, len(csvColumns)-len(line))...))
			continue
		}
		lines = append(lines, append(line, strconv.Itoa(len(row.Samples)),
			number(row.Rate.Median), number(row.Rate.Low), number(row.Rate.High),
			median(row.Nanoseconds), median(row.Cycles), number(row.Operations), number(row.Bound)))
	}
	return out.WriteAll(lines)
}
