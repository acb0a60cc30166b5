package bench

import (
	"math"
	"slices"
)

// series has one value per round; NaN stands for a round that was not measured.
type series []float64

func (s series) known() []float64 {
	return slices.DeleteFunc(slices.Clone([]float64(s)), math.IsNaN)
}

func (s series) measured() bool { return len(s.known()) > 0 }

func (s series) median() float64 {
	values := s.known()
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

func (s series) min() float64 {
	if !s.measured() {
		return math.NaN()
	}
	return slices.Min(s.known())
}

func (s series) max() float64 {
	if !s.measured() {
		return math.NaN()
	}
	return slices.Max(s.known())
}

func (s series) mean() float64 {
	sum := 0.0
	for _, value := range s.known() {
		sum += value
	}
	return sum / float64(len(s.known()))
}

// confidence is the 95 % confidence interval of the median, by the order of the values alone: whatever their
// distribution, each of them is as likely above it as below. NaN for too few values.
func (s series) confidence() (low, high float64) {
	values := s.known()
	slices.Sort(values)
	n := len(values)
	outside := 0 // as many of the lowest, and of the highest
	for chance, sum := math.Pow(0.5, float64(n)), 0.0; ; outside++ {
		if sum += chance; sum > 0.025 {
			break
		}
		chance *= float64(n-outside) / float64(outside+1)
	}
	if outside == 0 {
		return math.NaN(), math.NaN()
	}
	return values[outside-1], values[n-outside]
}

// scatter is the distance of the extremes as a part of the median.
func (s series) scatter() float64 { return (s.max() - s.min()) / s.median() }

// over divides round by round: what disturbs the machine for a while disturbs
// both sides of a round's ratio.
func (s series) over(other series) series {
	return s.combine(other, func(a, b float64) float64 { return a / b })
}

// minus subtracts round by round.
func (s series) minus(other series) series {
	return s.combine(other, func(a, b float64) float64 { return a - b })
}

func (s series) combine(other series, f func(a, b float64) float64) series {
	var out series
	for i := range min(len(s), len(other)) {
		out = append(out, f(s[i], other[i]))
	}
	return out
}
