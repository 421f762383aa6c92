package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sayDefault leaves it to what is said of a flag to say what its default is, where
// the library would say it in its own way.
func sayDefault(flags *pflag.FlagSet, name string) {
	flag := flags.Lookup(name)
	flag.DefValue = ""
	if _, list := flag.Value.(pflag.SliceValue); list {
		flag.DefValue = "[]" // it is how an empty list is written
	}
}

// flagError says of a flag that cannot be read what was wrong with it. A command
// that is none has no flags; then the command is what is wrong.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		if err := subcommand(cmd, cmd.Flags().Args()); err != nil {
			return err
		}
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return suggestFlag(cmd, unknown)
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return plainer(invalid)
	}
	return err
}

// suggestFlag adds the flags that may have been meant. -count is one, too.
func suggestFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if err.GetSpecifiedShortnames() != "" {
		name = err.GetSpecifiedShortnames()
	}
	// Commands are what cobra has suggestions of.
	flags := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if similar := flags.SuggestionsFor(name); len(name) > 1 && len(similar) > 0 {
		return fmt.Errorf("%w; did you mean --%s?", err, strings.Join(similar, " or --"))
	}
	return err
}

// plainer says what a value should be, and not which function did not like it.
func plainer(err *pflag.InvalidValueError) error {
	cause := err.Unwrap().Error()
	how := map[string]string{
		"int":      "use a whole number",
		"float64":  "use a number",
		"duration": "use a time like 10s",
		"bool":     "use true or false",
	}[err.GetFlag().Value.Type()]
	if errors.Is(err, strconv.ErrRange) {
		how = "it is too large"
	}
	if how == "" {
		return err // our own flags say it themselves
	}
	return errors.New(strings.TrimSuffix(err.Error(), cause) + how)
}
