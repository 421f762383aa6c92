package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/cmd/warren/internal/compare"
)

// flagsOf are the command's name and the flags that were given, without the
// passwords in them.
func flagsOf(cmd *cobra.Command) []string {
	words := []string{cmd.Name()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
			if f.Value.Type() != "stringArray" { // which is given again for each
				values = []string{strings.Join(values, ",")}
			}
		}
		for _, value := range values {
			word := "--" + f.Name
			if value != f.NoOptDefVal || value == "" { // else it is a switch that is on
				word += "=" + typed([]string{redact(value)})
			}
			words = append(words, word)
		}
	})
	return words
}

// A reportFormat is how a report is written.
type reportFormat struct {
	asJSON, gobench bool
	page            string // a file for the page, too
}

func (f *reportFormat) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	flags.BoolVar(&f.gobench, "gobench", false, "print the measurements for benchstat")
	flags.StringVar(&f.page, "html", "", "write the report as a page to a `FILE`, too")
}

// check finds out before anything is measured that the page can be written.
func (f reportFormat) check() error {
	if f.page == "" {
		return nil
	}
	file, err := os.OpenFile(f.page, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("--html: %w; name a file that can be written", err)
	}
	return file.Close()
}

func (f reportFormat) write(cmd *cobra.Command, r compare.Report) error {
	var text bytes.Buffer // a terminal is given whole characters
	err := f.print(&text, r)
	if err == nil {
		_, err = text.WriteTo(cmd.OutOrStdout())
	}
	if f.page == "" {
		return err
	}
	return errors.Join(err, writePage(f.page, r))
}

func (f reportFormat) print(out io.Writer, r compare.Report) error {
	switch {
	case f.asJSON:
		return compare.WriteJSON(out, r)
	case f.gobench:
		return compare.WriteGobench(out, r)
	}
	if len(r.Behaviours) > 0 {
		if err := compare.WriteBehaviours(out, r.Behaviours); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return compare.WriteTables(out, r)
}

func writePage(path string, r compare.Report) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return compare.WritePage(f, r)
}
