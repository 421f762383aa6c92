package main

import (
	_ "embed" // for the text
	"strings"

	"github.com/spf13/cobra"
)

//go:embed CONNECTING.md
var connectingText string

// newConnectingHelp is a help topic: 'warren help connecting'.
func newConnectingHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "connecting",
		Short: "Addresses, credentials, TLS and permissions",
		Long:  plain(connectingText),
	}
}

// plain is a document as it is read on a terminal: code is indented and has no fences.
func plain(markdown string) string {
	var out strings.Builder
	code := false
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, "```") {
			code = !code
			continue
		}
		if code && line != "\n" {
			line = "  " + line
		}
		out.WriteString(line)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
