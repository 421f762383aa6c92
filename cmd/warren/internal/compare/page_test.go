package compare

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A page is looked at as a text always, and in a browser if there is one.
func TestPage(t *testing.T) {
	t.Parallel()
	reports := awkwardReports(t)
	reports["six targets"] = sampleReport(t)
	var open browser
	if chromium() != "" {
		open = startBrowser(t)
	}
	for name, r := range reports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := writePage(t, r)
			checkPage(t, page, r)
			if open != nil {
				checkInBrowser(t, open, page, r)
			}
		})
	}
}

func writePage(t *testing.T, r Report) string {
	t.Helper()
	var page strings.Builder
	if err := WritePage(&page, r); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

func checkPage(t *testing.T, text string, r Report) {
	t.Helper()
	p := readPage(t, text)
	p.checkNothingOutside(t)
	p.checkHeadings(t)
	p.checkCharts(t, r)
	checkRuns(t, p.runs, r)

	var inside Report
	if err := json.Unmarshal([]byte(p.json), &inside); err != nil {
		t.Fatalf("the JSON within the page: %v", err)
	}
	if want := withoutNil(r); asJSON(t, inside) != asJSON(t, want) {
		t.Error("the JSON within the page is not the report")
	}
	if most := 400_000 + 3*len(asJSON(t, r)); len(text) > most {
		t.Errorf("the page has %d bytes, want at most %d", len(text), most)
	}
	for _, target := range r.Targets {
		if !strings.Contains(p.text, target.Name) {
			t.Errorf("target %q is not on the page", target.Name)
		}
	}
	for _, b := range r.Behaviours {
		for _, want := range []string{b.Scenario, b.Question, b.Why} {
			if !strings.Contains(p.text, want) {
				t.Errorf("%q is not on the page", want)
			}
		}
		for _, o := range b.Outcomes {
			if !strings.Contains(p.text, o.Did) || !strings.Contains(p.text, o.Failed) {
				t.Errorf("what %s did in %s is not on the page", o.Target, b.Scenario)
			}
		}
	}
	if got := strings.Contains(p.text, "Interrupted."); got != r.Interrupted {
		t.Errorf("the page says interrupted: %v, want %v", got, r.Interrupted)
	}
}

// pageContent is what a reader of a page finds in it.
type pageContent struct {
	attributes []xml.Attr
	headings   []int
	charts     []string // their alternative texts
	runs       [][]string
	styles     string
	scripts    int
	json       string
	text       string // of everything else
}

// readPage reads a page by the rules of XML, which it keeps beside those of HTML:
// so nothing is left open, and nothing that should be escaped is not.
func readPage(t *testing.T, text string) *pageContent {
	t.Helper()
	p := &pageContent{}
	var open []xml.StartElement
	var all strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Copy())
			p.start(token.Copy(), open)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			p.characters(string(token), open, &all)
		}
	}
	p.text = all.String()
	return p
}

func (p *pageContent) start(e xml.StartElement, open []xml.StartElement) {
	p.attributes = append(p.attributes, e.Attr...)
	switch name := e.Name.Local; {
	case name == "script":
		p.scripts++
	case name == "svg" && attribute(e, "class") == "chart":
		p.charts = append(p.charts, attribute(e, "aria-label"))
	case len(name) == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6':
		p.headings = append(p.headings, int(name[1]-'0'))
	case name == "tr" && inRuns(open):
		p.runs = append(p.runs, nil)
	case (name == "td" || name == "th") && inRuns(open):
		p.runs[len(p.runs)-1] = append(p.runs[len(p.runs)-1], "")
	}
}

func (p *pageContent) characters(text string, open []xml.StartElement, all *strings.Builder) {
	if len(open) == 0 {
		return
	}
	switch open[len(open)-1].Name.Local {
	case "style":
		p.styles += text
	case "script":
		p.json += text
	default:
		all.WriteString(text)
		if n := len(p.runs); n > 0 && inRuns(open) && len(p.runs[n-1]) > 0 {
			cells := p.runs[n-1]
			cells[len(cells)-1] += text
		}
	}
}

// inRuns says whether this is in the body of the table of runs.
func inRuns(open []xml.StartElement) bool {
	table := slices.IndexFunc(open, func(e xml.StartElement) bool { return strings.HasPrefix(attribute(e, "class"), "raw") })
	return table >= 0 && slices.ContainsFunc(open[table:], func(e xml.StartElement) bool { return e.Name.Local == "tbody" })
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// checkNothingOutside makes sure that a page is all there is to it.
func (p *pageContent) checkNothingOutside(t *testing.T) {
	t.Helper()
	ids := make(map[string]bool)
	for _, a := range p.attributes {
		switch a.Name.Local {
		case "href", "src", "srcset", "data", "action", "poster":
			if !strings.HasPrefix(a.Value, "#") && a.Value != "data:," {
				t.Errorf("%s=%q leads out of the page", a.Name.Local, a.Value)
			}
		case "id":
			if ids[a.Value] {
				t.Errorf("the id %q is there twice", a.Value)
			}
			ids[a.Value] = true
		}
		if strings.HasPrefix(a.Name.Local, "on") {
			t.Errorf("%s=%q is a script", a.Name.Local, a.Value)
		}
	}
	for _, a := range p.attributes {
		if name, ok := strings.CutPrefix(a.Value, "#"); ok && a.Name.Local == "href" && !ids[name] {
			t.Errorf("nothing has the id %q", name)
		}
	}
	if strings.Contains(p.styles, "url(") || strings.Contains(p.styles, "@import") {
		t.Error("the styles lead out of the page")
	}
	if p.scripts != 1 {
		t.Errorf("there are %d script elements, want that of the JSON alone", p.scripts)
	}
}

func (p *pageContent) checkHeadings(t *testing.T) {
	t.Helper()
	last := 0
	for _, level := range p.headings {
		if level > last+1 {
			t.Errorf("a heading of level %d follows one of level %d", level, last)
		}
		last = level
	}
}

// checkCharts makes sure that each chart says in words what it shows.
func (p *pageContent) checkCharts(t *testing.T, r Report) {
	t.Helper()
	for _, alt := range p.charts {
		if !regexp.MustCompile(`D[0-9]: `).MatchString(alt) {
			t.Errorf("a chart does not say its class: %q", alt)
		}
	}
	for _, m := range r.Measurements {
		if len(m.Runs) == 0 {
			continue
		}
		if !slices.ContainsFunc(p.charts, func(alt string) bool {
			return strings.Contains(alt, m.Workload) && strings.Contains(alt, string(m.Class)) && strings.Contains(alt, m.Target)
		}) {
			t.Errorf("no chart has %s in %s on %s", m.Workload, m.Class, m.Target)
		}
	}
}

// checkRuns makes sure that every run is in the table, with all its figures.
func checkRuns(t *testing.T, rows [][]string, r Report) {
	t.Helper()
	var got []string
	for _, cells := range rows {
		if len(cells) == 29 {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			got = append(got, strings.Join(cells, "|"))
		}
	}
	var want []string
	for _, m := range r.Measurements {
		for i, run := range m.Runs {
			cells := []string{
				m.Target, fmt.Sprint(i + 1), durationText(run.Took), fmt.Sprint(run.Published), fmt.Sprint(run.Delivered),
				orNone(run.Rate > 0, "%.0f", run.Rate), orNone(run.PublishRate > 0, "%.0f", run.PublishRate),
				orNone(run.DeliverRate > 0, "%.0f", run.DeliverRate), orNone(run.DrainRate > 0, "%.0f", run.DrainRate),
			}
			for _, l := range []*Latency{run.Confirm, run.Deliver} {
				if l == nil {
					cells = append(cells, "–", "–", "–", "–", "–")
					continue
				}
				for _, d := range []float64{float64(l.P50), float64(l.P95), float64(l.P99), float64(l.P999), float64(l.Max)} {
					cells = append(cells, fmt.Sprintf("%.1f", d/1000))
				}
			}
			cells = append(cells, orNone(run.CPU > 0, "%.1f", run.CPU.Seconds()*1000), orNone(run.ClientCPU > 0, "%.1f", run.ClientCPU.Seconds()*1000),
				orNone(run.Memory > 0, "%.1f", float64(run.Memory)/1048576), fmt.Sprint(run.WireMessages), fmt.Sprint(run.WireBytes), fmt.Sprint(run.Lost),
				fmt.Sprint(run.Duplicated), fmt.Sprint(run.Reordered), strings.Trim(strings.ReplaceAll(fmt.Sprint(run.Shares), " ", ", "), "[]"), run.Refused)
			want = append(want, strings.Join(cells, "|"))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the table of runs has %d rows, want %d", len(got), len(want))
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Errorf("got  %s\nwant %s", got[i], want[i])
				break
			}
		}
	}
}

// What a drawing library writes must not carry colors of its own, nor numbers
// that are none.
func TestChartsLeaveColorsToThePage(t *testing.T) {
	t.Parallel()
	for name, r := range awkwardReports(t) {
		data, err := newPage(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range chartsOf(data) {
			drawing := string(c.Drawing)
			for _, bad := range []string{"#F", "fill:#", "stroke:#", "NaN", "Inf", "<script", "xlink"} {
				if strings.Contains(drawing, bad) {
					t.Errorf("%s: the chart %q has %q in it", name, c.Alt, bad)
				}
			}
			if !strings.Contains(drawing, "var(--series-") {
				t.Errorf("%s: the chart %q shows no target", name, c.Alt)
			}
		}
	}
}

func chartsOf(p page) []chart {
	var charts []chart
	for _, part := range p.Speed {
		if part.Chart != nil {
			charts = append(charts, *part.Chart)
		}
	}
	for _, part := range slices.Concat(p.Paced, p.Full) {
		charts = append(charts, part.Chart)
	}
	return charts
}

func TestPageRefusesBrokenHistograms(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"not base64!", "HISTFAAA", "AAAA"} {
		r := sampleReport(t)
		r.Measurements[1].Runs[2].Deliver.Histogram = broken
		var page bytes.Buffer
		err := WritePage(&page, r)
		if err == nil || !strings.Contains(err.Error(), "1 to 1 on warren tcp: read the histogram of run 3") {
			t.Errorf("with the histogram %q the error is %v", broken, err)
		}
		if page.Len() > 0 {
			t.Errorf("with the histogram %q %d bytes were written", broken, page.Len())
		}
	}
}

func TestPageRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	r := Report{Measurements: []Measurement{{Workload: "1 to 1", Runs: []Run{{Rate: math.Inf(1)}}}}}
	var page bytes.Buffer
	if err := WritePage(&page, r); err == nil || page.Len() > 0 {
		t.Errorf("got %v and %d bytes", err, page.Len())
	}
}

// TestPageSaysADurationOnce: what was done has its duration in it.
func TestPageSaysADurationOnce(t *testing.T) {
	t.Parallel()
	target := warrenInside(t)
	p := newProgramme([]scenario{fairDispatch(), stoppedWorker()}, []Target{target}, nil)
	p.playSideBySide(t.Context())
	for _, b := range p.behaviours() {
		o := b.Outcomes[0]
		shown, _, _ := strings.Cut(writePage(t, Report{Behaviours: []Behaviour{b}}), "<script")
		if got := strings.Count(strings.ReplaceAll(shown, ">", " "), " "+durationText(o.Took)); o.Took == 0 || got != 1 {
			t.Errorf("%s took %s: got that %d times, want once in %q", b.Scenario, durationText(o.Took), got, o.Did)
		}
	}
}

func TestPageTitle(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"Comparison of brokers":               nil,
		"warren tcp":                          {"warren tcp"},
		"warren tcp and warren nats":          {"warren tcp", "warren nats"},
		"warren tcp, a b and rabbitmq quorum": {"warren tcp", "a b", "rabbitmq quorum"},
		"warren, jetstream and rabbitmq":      {"warren tcp", "jetstream tcp", "warren nats", "rabbitmq quorum"},
	} {
		var r Report
		for _, name := range names {
			r.Targets = append(r.Targets, TargetInfo{Name: name})
		}
		if got := pageTitle(r); got != want {
			t.Errorf("%v: got %q, want %q", names, got, want)
		}
	}
}
