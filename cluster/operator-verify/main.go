// Checks a bundle for OperatorHub with the validators of Operator Framework: operator-verify FOLDER. A line each finding; status 1 on an error.
package main

import (
	"fmt"
	"os"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
)

func main() {
	bundle, err := manifests.GetBundleFromDir(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	validators := validation.DefaultBundleValidators.WithValidators(validation.OperatorHubV2Validator, validation.StandardCapabilitiesValidator, validation.StandardCategoriesValidator)
	failed := false
	for _, result := range validators.Validate(bundle.ObjectsToValidate()...) {
		for _, warning := range result.Warnings {
			fmt.Println("warning:", warning.Error())
		}
		for _, fault := range result.Errors {
			fmt.Fprintln(os.Stderr, "error:", fault.Error())
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
