// Reads the file of a dashboard with Grafana's own types: an unknown field, a missing one, or a value of another type is an error.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	// The plugins of the dashboard. To compile all of Grafana's takes much longer.
	plugins := cog.NewRuntime()
	plugins.RegisterPanelcfgVariant(bargauge.VariantConfig())
	plugins.RegisterPanelcfgVariant(stat.VariantConfig())
	plugins.RegisterPanelcfgVariant(timeseries.VariantConfig())
	plugins.RegisterDataqueryVariant(prometheus.VariantConfig())
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var read dashboard.Dashboard
	// An error without text is an empty list of errors.
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return err
	}
	if err := checkPlugins(text); err != nil {
		return err
	}
	return read.Validate()
}

// The options of a panel, and its queries, are only checked with their plugin.
func checkPlugins(text []byte) error {
	var read struct{ Panels []panel }
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	for _, panel := range read.Panels {
		if _, found := cog.ConfigForPanelcfgVariant(panel.Type); !found && panel.Type != "row" {
			return fmt.Errorf("panels of type %q: register their plugin here", panel.Type)
		}
		for _, target := range panel.Targets {
			if target.Datasource.Type != "prometheus" {
				return fmt.Errorf("queries of type %q: register their plugin here", target.Datasource.Type)
			}
		}
	}
	return nil
}

type panel struct {
	Type    string
	Targets []struct{ Datasource struct{ Type string } }
}
