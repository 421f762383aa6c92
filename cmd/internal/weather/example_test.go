package weather_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"warren/cmd/internal/weather"
)

// A source that is away is no reason to show nothing.
func Example() {
	server := httptest.NewServer(kyivInWinter())
	defer server.Close()

	source, err := weather.New(server.URL) // or "open-meteo", or "wttr"
	if err != nil {
		log.Fatal(err)
	}
	reading, err := source.Current(context.Background(), "Kyiv", weather.Metric)
	if err != nil {
		log.Fatal(err)
	}
	reading.Source = "Open-Meteo" // and not the address of the server, which has another port each time
	fmt.Println(reading)
	fmt.Println(reading.LastKnown(reading.Observed.Add(42 * time.Minute)))

	// Output:
	// Kyiv, Ukraine: 3.4 °C (feels like 0.1), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)
	// last known reading, 42 minutes old: Kyiv, Ukraine: 3.4 °C (feels like 0.1), overcast, wind 14 km/h, humidity 87 % - Open-Meteo, reading of 14:15 (UTC+2)
}

func kyivInWinter() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/search", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"results":[{"name":"Kyiv","country":"Ukraine","latitude":50.45,"longitude":30.52}]}`)
	})
	mux.HandleFunc("/v1/forecast", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"utc_offset_seconds":7200,"current":{"time":"2026-01-05T14:15","temperature_2m":3.4,
			"apparent_temperature":0.1,"relative_humidity_2m":87,"weather_code":3,"wind_speed_10m":14.2}}`)
	})
	return mux
}
