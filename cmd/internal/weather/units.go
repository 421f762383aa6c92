package weather

import "fmt"

// Units are what a reading is measured in.
type Units string

// The units there are.
const (
	Metric   Units = "metric"   // °C and km/h
	Imperial Units = "imperial" // °F and mph
)

// Validate refuses all but [Metric] and [Imperial].
func (u Units) Validate() error {
	if u != Metric && u != Imperial {
		return fmt.Errorf("unknown units %q: give %s or %s", string(u), Metric, Imperial)
	}
	return nil
}

func (u Units) degrees() string {
	if u == Imperial {
		return "°F"
	}
	return "°C"
}

func (u Units) speed() string {
	if u == Imperial {
		return "mph"
	}
	return "km/h"
}

func (u Units) celsius(degrees float64) float64 {
	if u == Imperial {
		return (degrees - 32) / 1.8
	}
	return degrees
}

func (u Units) kmh(speed float64) float64 {
	if u == Imperial {
		return speed * 1.609344
	}
	return speed
}
