// Reads the file of a dashboard with Grafana's own types: an unknown field, a missing one, or a value of another type is an error.
package main

import (
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
	for _, panel := range read.Panels {
		if err := isRegistered(panel.Panel); err != nil {
			return err
		}
	}
	return read.Validate()
}

// The options of a panel without its plugin, and its queries, would not be checked.
func isRegistered(panel *dashboard.Panel) error {
	if panel == nil {
		return nil
	}
	if _, found := cog.ConfigForPanelcfgVariant(panel.Type); !found {
		return fmt.Errorf("panels of type %q: register their plugin here", panel.Type)
	}
	for _, query := range panel.Targets {
		if query.DataqueryType() == "unknown" {
			return fmt.Errorf("a panel of type %q has a query of an unknown type: register its plugin here", panel.Type)
		}
	}
	return nil
}
