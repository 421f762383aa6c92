package compare

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is the browser to look at pages with; empty says that there is none.
func chromium() string { return os.Getenv("WARREN_CHROMIUM") }

// A browser opens an empty tab, which is closed with the test.
type browser func(t *testing.T) context.Context

// startBrowser starts a browser that is gone, with its profile, after the test.
func startBrowser(t *testing.T) browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(chromium()), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU)
	// It ends in a cleanup, when the context of the test is done already.
	root, end := context.WithTimeout(context.Background(), 5*time.Minute)
	allocator, release := chromedp.NewExecAllocator(root, options...)
	first, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(first); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		release()
		end()
	})
	if err := chromedp.Do(first); err != nil {
		t.Fatalf("start %s: %v", chromium(), err)
	}
	return func(t *testing.T) context.Context {
		t.Helper()
		tab, closeTab := chromedp.NewContext(first)
		t.Cleanup(closeTab)
		return tab
	}
}

// checkInBrowser looks at a page as its readers do.
func checkInBrowser(t *testing.T, open browser, text string, r Report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &view{tab: open(t)}
	if err := chromedp.Listen(v.tab, v.hear); err != nil {
		t.Fatal(err)
	}
	v.do(t, chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+filepath.ToSlash(file)))
	if title := run(t, v, chromedp.Title()); title != pageTitle(r) {
		t.Errorf("the title is %q, want %q", title, pageTitle(r))
	}
	// Everything is to be looked at, what is folded away too.
	evaluate[int](t, v, `document.querySelectorAll("details").forEach(d => d.open = true), 0`)

	light := v.checkColors(t, "light")
	dark := v.checkColors(t, "dark")
	if bytes.Equal(light, dark) {
		t.Error("light and dark look the same")
	}
	for _, width := range []int64{360, 390, 768, 1280} {
		v.checkWidth(t, width)
		if width < 400 || width == 1280 && !strings.Contains(r.Command, "<") {
			v.checkTables(t, width)
		}
	}
	if pdf := run(t, v, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize())); !bytes.HasPrefix(pdf, []byte("%PDF-")) || len(pdf) < 5000 {
		t.Errorf("printing gave %d bytes, and no PDF of the page", len(pdf))
	}
	v.checkSilence(t, file)
}

// A view is a tab with what the browser says about it.
type view struct {
	tab context.Context

	mu       sync.Mutex
	requests []string
	messages []string
}

func (v *view) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, event.Request.URL)
	case *runtime.EventConsoleAPICalled:
		v.messages = append(v.messages, fmt.Sprintf("console: %+v", event.Args))
	case *runtime.EventExceptionThrown:
		v.messages = append(v.messages, "exception: "+event.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		v.messages = append(v.messages, "log: "+event.Entry.Text)
	}
}

// checkSilence makes sure that the browser asked for the file and for nothing
// else, and had nothing to complain about.
func (v *view) checkSilence(t *testing.T, file string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	own := 0
	for _, url := range v.requests {
		if strings.HasSuffix(url, filepath.Base(file)) {
			own++
		} else if !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asked for %s", url)
		}
	}
	if own == 0 {
		t.Error("the browser's requests were not seen")
	}
	for _, m := range v.messages {
		t.Errorf("the browser says: %s", m)
	}
}

// lowContrast finds texts that are hard to tell from what they stand on.
const lowContrast = `(() => {
  const rgb = c => (c.match(/[\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.tagName === "SCRIPT") continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(e.tagName === "text" ? style.fill : style.color)), light(behind(e))].sort();
    const ratio = (b + 0.05) / (a + 0.05);
    if (!(ratio >= 4.5)) bad.push(e.tagName + " " + e.className + " " + ratio.toFixed(2) + ": " + e.textContent.slice(0, 40));
  }
  return bad;
})()`

// checkColors looks at the page in light or in dark, and gives a picture.
func (v *view) checkColors(t *testing.T, scheme string) []byte {
	t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(v.tab, emulation.SetEmulatedMedia, params); err != nil {
		t.Fatal(err)
	}
	for _, bad := range evaluate[[]string](t, v, lowContrast) {
		t.Errorf("%s: the contrast is less than 4.5: %s", scheme, bad)
	}
	picture := run(t, v, chromedp.CaptureScreenshot())
	image, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	r, g, b, _ := image.At(2, 2).RGBA()
	if bright := r+g+b > 3*0x8000; bright != (scheme == "light") {
		t.Errorf("%s: the paper is %04x %04x %04x", scheme, r, g, b)
	}
	return picture
}

// outOfPlace finds charts without a size and texts that are not wholly on theirs.
const outOfPlace = `(() => {
  const bad = [];
  for (const chart of document.querySelectorAll("svg.chart")) {
    const name = chart.getAttribute("aria-label").slice(0, 60);
    const box = chart.getBoundingClientRect();
    if (box.width < 250 || box.height < 40) bad.push(name + ": " + box.width + " x " + box.height);
    for (const text of chart.querySelectorAll("text")) {
      const b = text.getBoundingClientRect();
      if (b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1)
        bad.push(name + ": " + text.textContent);
    }
  }
  return bad;
})()`

// checkWidth looks at the page on a screen that wide.
func (v *view) checkWidth(t *testing.T, width int64) {
	t.Helper()
	v.do(t, chromedp.EmulateViewport(width, 800))
	if got := evaluate[int64](t, v, `document.documentElement.scrollWidth`); got > width {
		t.Errorf("at %d pixels the page is %d wide", width, got)
	}
	for _, bad := range evaluate[[]string](t, v, outOfPlace) {
		t.Errorf("at %d pixels a chart is not whole: %s", width, bad)
	}
}

// cutOff finds tables that are wider than their place, but for that of all runs on a
// wide screen, which is to be scrolled.
const cutOff = `[...document.querySelectorAll(innerWidth < 400 ? ".scroll" : ".scroll:not(.tall)")]
  .filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => (e.ariaLabel || e.textContent.trim().slice(0, 40)) + ": " + e.scrollWidth + " of " + e.clientWidth)`

// checkTables makes sure that no table is cut off.
func (v *view) checkTables(t *testing.T, width int64) {
	t.Helper()
	for _, bad := range evaluate[[]string](t, v, cutOff) {
		t.Errorf("at %d pixels a table is cut off: %s", width, bad)
	}
}

func (v *view) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(v.tab, steps...); err != nil {
		t.Fatal(err)
	}
}

func run[T any](t *testing.T, v *view, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(v.tab, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func evaluate[T any](t *testing.T, v *view, script string) T {
	t.Helper()
	return run(t, v, chromedp.Evaluate[T](script))
}
