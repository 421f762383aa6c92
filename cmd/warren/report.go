package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/cmd/warren/internal/compare"
)

// flagsOf are the command's name and the flags that were given, without the
// passwords in them.
func flagsOf(cmd *cobra.Command) []string {
	words := []string{cmd.Name()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		words = append(words, "--"+f.Name+"="+redact(f.Value.String()))
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
	flags.StringVar(&f.page, "html", "", "write the report as a page to a file, too")
}

func (f reportFormat) write(cmd *cobra.Command, r compare.Report) error {
	err := f.print(cmd.OutOrStdout(), r)
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
	for _, b := range r.Behaviours {
		fmt.Fprintf(out, "%s: %s\n", b.Scenario, b.Why)
		for _, o := range b.Outcomes {
			fmt.Fprintf(out, "  %-20s %s%s\n", o.Target, o.Did, o.Failed)
		}
		fmt.Fprintln(out)
	}
	if err := compare.WriteTables(out, r); err != nil {
		return err
	}
	if r.Interrupted {
		fmt.Fprintln(out, "\nThis is what there was until it was interrupted.")
	}
	return nil
}

func writePage(path string, r compare.Report) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return compare.WritePage(f, r)
}
