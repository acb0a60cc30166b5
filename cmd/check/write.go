package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// write prints the report.
func (r report) write(to io.Writer) {
	switch {
	case len(r.refusals) > 0:
		fmt.Fprintf(to, "%s: the gateway does not take it\n", printable(r.title))
		for _, refusal := range r.refusals {
			fmt.Fprintln(to, "  "+printable(refusal))
		}
	case r.absent:
		fmt.Fprintf(to, "%s: the gateway takes it, and does without the plugin: the global part is disabled, and there is no rule\n", printable(r.title))
	default:
		fmt.Fprintf(to, "%s: the gateway takes it\n", printable(r.title))
		r.summary.write(to)
		r.writeEnvironment(to)
		writeList(to, "secrets that the control plane puts in:", r.secrets)
	}
	writeList(to, "warnings:", r.warnings)
}

func (s summary) write(to io.Writer) {
	fmt.Fprintln(to, "  requests:")
	width := len("all others")
	for _, rule := range s.rules {
		width = max(width, min(utf8.RuneCountInString(printable(rule.matches)), 40))
	}
	for i, rule := range s.rules {
		fmt.Fprintf(to, "    %d. %-*s  %s\n", i+1, width, printable(rule.matches), printable(rule.effect))
	}
	switch {
	case len(s.rules) > 0:
		fmt.Fprintf(to, "    %-*s  %s\n", width+3, "all others", printable(s.rest))
	default:
		fmt.Fprintf(to, "    all  %s\n", printable(s.rest))
	}
	writeList(to, "clusters that the gateway must have:", s.clusters)
}

func (r report) writeEnvironment(to io.Writer) {
	var lines []string
	for _, v := range r.env {
		lines = append(lines, v.name+": "+v.source)
	}
	writeList(to, "environment variables that the VM must have:", lines)
}

func writeList(to io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(to, "  "+title)
	for _, line := range lines {
		fmt.Fprintln(to, "    "+printable(line))
	}
}

// printable replaces control characters, so that a file can't control the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}
