package bench

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEstimate(t *testing.T) {
	e := estimate([]float64{11, 3, 7, 1, 9, 5, 2, 10, 4, 8, 6})
	require.Equal(t, 6.0, e.Median)
	require.Equal(t, []float64{1, 11}, []float64{e.Min, e.Max})
	require.Equal(t, 11, e.Count)
	// By Binomial(11, 1/2), the median is below the second value with probability
	// (1+11)/2048, and above the ninth with probability (55+11+1)/2048.
	require.Equal(t, []float64{2, 9}, []float64{e.Low, e.High})
	require.InDelta(t, 1-(12.0+67)/2048, e.Confidence, 1e-9)
	require.InDelta(t, 4.0/6, e.spread(), 1e-9)

	five := estimate([]float64{1, 2, 3, 4, 5})
	require.Equal(t, 3.0, five.Median)
	require.False(t, five.known(), "five values cannot give an interval of 95 %%")
	require.Zero(t, five.Low+five.High)
	require.True(t, estimate([]float64{1, 2, 3, 4, 5, 6}).known())
	require.Equal(t, 2.5, estimate([]float64{4, 1}).Median+0, "the mean of the two in the middle")
	require.Equal(t, 7.0, estimate([]float64{7}).Median)
	require.Zero(t, estimate(nil))
}

// The interval contains the true median as often as its confidence level claims.
func TestEstimateCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 4000
	covered := 0
	for range runs {
		var values []float64
		for range 9 {
			values = append(values, rng.ExpFloat64())
		}
		if e := estimate(values); e.Low <= 0.6931 && 0.6931 <= e.High {
			covered++
		}
	}
	require.InDelta(t, 1-2*10.0/512, float64(covered)/runs, 0.01)
}

func TestOutliers(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   int
	}{
		{"none", []float64{1, 2, 3, 4, 5, 6, 7}, 0},
		{"high", []float64{10, 10.1, 10.2, 10.3, 10.4, 20}, 1},
		{"low", []float64{1, 10, 10.1, 10.2, 10.3, 10.4, 10.5}, 1},
		{"both", []float64{1, 10, 10.1, 10.2, 10.3, 10.4, 10.5, 30}, 2},
		{"not far enough", []float64{10, 10.1, 10.2, 10.3, 10.4, 10.9}, 0},
		{"too few to tell", []float64{1, 1, 1, 99}, 0},
		{"all alike", []float64{5, 5, 5, 5, 5, 5}, 0},
	} {
		require.Equal(t, test.want, estimate(test.values).Outliers, test.name)
	}
}

func TestRatio(t *testing.T) {
	before := []float64{100, 101, 102, 103, 104, 105, 106}
	twice := []float64{200, 202, 204, 206, 208, 210, 212}
	r := ratio(before, twice)
	require.Equal(t, 2.0, r.Ratio)
	require.True(t, r.Significant)
	require.Less(t, r.P, 0.01)
	a, b := estimate(before), estimate(twice)
	require.Equal(t, []float64{b.Low / a.High, b.High / a.Low}, []float64{r.Low, r.High})

	same := ratio(before, []float64{101, 100, 103, 102, 105, 104, 106})
	require.False(t, same.Significant)
	require.Less(t, same.Low, 1.0)
	require.Greater(t, same.High, 1.0)

	few := ratio([]float64{1, 2}, []float64{10, 20})
	require.Zero(t, few.Low+few.High, "no interval, no bounds")
	require.False(t, few.Significant)
	once := ratio([]float64{1}, []float64{2})
	require.Equal(t, 2.0, once.Ratio)
	require.False(t, once.Significant)
}
