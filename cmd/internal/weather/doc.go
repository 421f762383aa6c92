// Package weather asks a weather service what the weather in a city is now, and
// words the answer for a terminal.
//
//	source, err := weather.New("open-meteo")
//	...
//	reading, err := source.Current(ctx, "Kyiv", weather.Metric)
//	...
//	fmt.Println(reading)
//
// A service is a stranger: it may be away, slow, overloaded or answer nonsense.
// What comes back is a [Reading] whose figures can be true and whose texts are
// safe to print, or an error that says in plain words what happened.
package weather
