package compare

import (
	"fmt"
	"testing"
)

// TestSeries_AreToldApart: whoever sees colors tells targets of one color apart by their
// marks, and whoever does not tells all of them apart by dashes and marks within a chart
// of the usual size.
func TestSeries_AreToldApart(t *testing.T) {
	t.Parallel()
	colored, plain := make(map[string]int), make(map[string]int)
	for series := range seriesColors * len(marks) {
		look := fmt.Sprint(seriesColor(series), markPath(series, 0, 0, 6))
		if other, taken := colored[look]; taken {
			t.Errorf("targets %d and %d have the same color and the same mark", other, series)
		}
		colored[look] = series
		if series >= 6 {
			continue
		}
		look = dashText(series) + markPath(series, 0, 0, 6)
		if other, taken := plain[look]; taken {
			t.Errorf("targets %d and %d have the same dashes and the same mark", other, series)
		}
		plain[look] = series
	}
}
