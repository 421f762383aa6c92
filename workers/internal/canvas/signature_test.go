package canvas

import (
	"encoding/json"
	"strings"
	"testing"
)

// What could be begun and not be sent is not read, at any depth.
func TestSignature_IsUTF8(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{\"task\":\"add\",\"args\":[\"\xac\"]}",
		"{\"task\":\"celery.starmap\",\"kwargs\":{\"task\":{\"task\":\"mul\",\"\xac\":null},\"it\":[[1,2]]}}",
	} {
		var sig Signature
		if err := json.Unmarshal([]byte(text), &sig); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
			t.Errorf("%q: got %v, want that it is not UTF-8", text, err)
		}
	}
}
