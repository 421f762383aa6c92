package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type sourceKey struct{}

// A weatherSource speaks Open-Meteo's API, when it is good. It knows Kyiv.
type weatherSource struct {
	server *httptest.Server
	how    atomic.Value // string
	asked  atomic.Int64
}

func sourceCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: source good|away|odd")
	}
	s := ts.Value(sourceKey{}).(*weatherSource)
	s.how.Store(args[0])
	if s.server.URL == "" {
		s.server.Config.Handler = s
		s.server.Start()
		ts.Setenv("SOURCE", s.server.URL)
	}
}

func (s *weatherSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch how := s.how.Load(); {
	case how == "away":
		w.Header().Set("Retry-After", "3600") // longer than anybody waits
		w.WriteHeader(http.StatusServiceUnavailable)
	case how == "odd":
		fmt.Fprint(w, "It is raining.")
	case r.URL.Path == "/v1/search" && r.URL.Query().Get("name") == "Kyiv":
		fmt.Fprint(w, `{"results":[{"name":"Kyiv","country":"Ukraine","latitude":50.45,"longitude":30.52}]}`)
	case r.URL.Path == "/v1/search":
		fmt.Fprint(w, `{}`)
	default:
		s.tell(w, r.URL.Query().Get("temperature_unit"))
	}
}

// tell tells the weather; the humidity counts how often it did.
func (s *weatherSource) tell(w http.ResponseWriter, unit string) {
	temperature, degrees := 3.4, "°C"
	if unit == "fahrenheit" {
		temperature, degrees = 38.1, "°F"
	}
	observed := time.Now().UTC().Add(2*time.Hour - 5*time.Minute).Format("2006-01-02T15:04")
	fmt.Fprintf(w, `{"utc_offset_seconds":7200,"current_units":{"temperature_2m":%q},
		"current":{"time":%q,"temperature_2m":%g,"apparent_temperature":%g,
		"relative_humidity_2m":%d,"weather_code":3,"wind_speed_10m":14.2}}`,
		degrees, observed, temperature, temperature, s.asked.Add(1)%100)
}
