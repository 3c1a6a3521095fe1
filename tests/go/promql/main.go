// Evaluates alerts and queries with Prometheus's own parser and engine.
//
// The argument is a JSON file with the rules, as in a file that Prometheus loads, the queries, and series in the notation of
// Prometheus's rule tests, such as `up{job="a"} 1+0x60`. Their samples are a minute apart; the last one is at the time "at". The
// output has the alerts that fire at that time, and the number of results of each query.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

const step = time.Minute

type input struct {
	At      int64    `json:"at"`
	Rules   string   `json:"rules"`
	Queries []string `json:"queries"`
	Series  []string `json:"series"`
}

type output struct {
	Firing  []string `json:"firing"`
	Results []int    `json:"results"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var in input
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	out, err := evaluate(in)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func evaluate(in input) (output, error) {
	out := output{Firing: []string{}, Results: []int{}}
	parse := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.Parse([]byte(in.Rules), false, model.LegacyValidation, parse, slog.Default())
	if len(errs) > 0 {
		return out, errors.Join(errs...)
	}
	at := time.Unix(in.At, 0)
	series, err := readSeries(parse, in.Series, at)
	if err != nil {
		return out, err
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parse})
	present := func(query string, since time.Duration) ([]labels.Labels, error) {
		return presentSince(engine, series, query, at, since)
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			found, err := present(rule.Expr, time.Duration(rule.For))
			if err != nil {
				return out, fmt.Errorf("%s: %w", rule.Alert, err)
			}
			for _, of := range found {
				out.Firing = append(out.Firing, rule.Alert+of.String())
			}
		}
	}
	for _, query := range in.Queries {
		found, err := present(query, 0)
		if err != nil {
			return out, fmt.Errorf("%s: %w", query, err)
		}
		out.Results = append(out.Results, len(found))
	}
	return out, nil
}

// The label sets that a query has returned at every step since then.
func presentSince(engine *promql.Engine, data storage.Queryable, query string, at time.Time, since time.Duration) ([]labels.Labels, error) {
	ctx := context.Background()
	prepared, err := engine.NewRangeQuery(ctx, data, nil, query, at.Add(-since), at, step)
	if err != nil {
		return nil, err
	}
	defer prepared.Close()
	matrix, err := prepared.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	var found []labels.Labels
	for _, series := range matrix {
		if len(series.Floats) == int(since/step)+1 {
			found = append(found, series.Metric)
		}
	}
	return found, nil
}

func readSeries(parse parser.Parser, lines []string, at time.Time) (storage.Queryable, error) {
	var all []storage.Series
	for _, line := range lines {
		of, values, err := parse.ParseSeriesDesc(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		var samples []chunks.Sample
		for index, value := range values {
			if !value.Omitted {
				before := step * time.Duration(len(values)-1-index)
				samples = append(samples, sample{time: at.Add(-before).UnixMilli(), value: value.Value})
			}
		}
		all = append(all, storage.NewListSeries(of, samples))
	}
	querier := &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		return &seriesSet{SeriesSet: storage.EmptySeriesSet(), rest: matching(all, matchers)}
	}}
	return &storage.MockQueryable{MockQuerier: querier}, nil
}

func matching(all []storage.Series, matchers []*labels.Matcher) []storage.Series {
	var found []storage.Series
	for _, series := range all {
		matches := true
		for _, matcher := range matchers {
			matches = matches && matcher.Matches(series.Labels().Get(matcher.Name))
		}
		if matches {
			found = append(found, series)
		}
	}
	return found
}

type seriesSet struct {
	storage.SeriesSet
	now  storage.Series
	rest []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.rest) == 0 {
		return false
	}
	s.now, s.rest = s.rest[0], s.rest[1:]
	return true
}

func (s *seriesSet) At() storage.Series { return s.now }

type sample struct {
	chunks.Sample
	time  int64
	value float64
}

func (s sample) T() int64                 { return s.time }
func (s sample) ST() int64                { return 0 }
func (s sample) F() float64               { return s.value }
func (s sample) Type() chunkenc.ValueType { return chunkenc.ValFloat }
