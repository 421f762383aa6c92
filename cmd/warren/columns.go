package main

import (
	"encoding/json"
	"iter"
	"strings"

	"github.com/spf13/cobra"
)

// printAll prints what a range gives, as a table or as JSON.
func printAll[T any](cmd *cobra.Command, columns []column[T], rows iter.Seq2[T, error], asJSON bool) error {
	var list []T
	for row, err := range rows {
		if err != nil {
			return err
		}
		list = append(list, row)
	}
	return printList(cmd, columns, list, asJSON)
}

// printList prints a list, as a table or as JSON.
func printList[T any](cmd *cobra.Command, columns []column[T], list []T, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), columns, list)
	}
	return printTable(cmd.OutOrStdout(), choose(columns, nil, false), list)
}

// jsonText is a value that is JSON in a table too.
type jsonText struct{ value any }

func jsonOf(v any) jsonText { return jsonText{v} }

func (j jsonText) String() string {
	text, err := json.Marshal(j.value)
	if err != nil {
		return err.Error()
	}
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "..." // no half of a character
	}
	return string(text)
}

// MarshalJSON writes the value.
func (j jsonText) MarshalJSON() ([]byte, error) { return json.Marshal(j.value) }
