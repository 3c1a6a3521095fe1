// Reads variables of an env file as the kubelet does: with the kubelet's own parser.
//
// The arguments are a file and names; each value is printed in base64, on a line of its own.
package main

import (
	"encoding/base64"
	"fmt"
	"os"

	"k8s.io/kubernetes/pkg/kubelet/util/env"
)

func main() {
	for _, name := range os.Args[2:] {
		value, err := env.ParseEnv(os.Args[1], name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(base64.StdEncoding.EncodeToString([]byte(value)))
	}
}
