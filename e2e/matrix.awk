# Of what go test -v says of a run, a row of the table of make test-matrix.
/^--- PASS: / { passed++ }
/^--- FAIL: / { failed++ }
/^ *--- SKIP: / { skipped++ }
/^FAIL\t.*(\[|timeout)/ || /^panic: / { failed++ } # a package that does not build, or whose tests do not end
/^=== ATTR .* calls / { calls = $0; sub(/.* calls /, "", calls) }
END { printf "| %s | %d | %d | %d | %s | %d min |\n", version, passed, failed, skipped, calls, seconds / 60 }
