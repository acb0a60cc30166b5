// Package definitions validates resources as the Kubernetes API server does, with its code and the CustomResourceDefinitions
// that the gateways publish: types, allowed values, required and unknown fields, and CEL rules.
//
// Known has the definitions of the resources that configure the plugin, so that make check needs no network.
// TestBuiltInDefinitionsArePublished of module e2e/gateways compares them with the published ones.
package definitions

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Set holds definitions by apiVersion and kind.
type Set map[string]*definition

// definition is one version of a kind of resource.
type definition struct {
	structural *schema.Structural
	values     validation.SchemaValidator
	rules      *cel.Validator // nil: none
}

//go:embed *.yaml
var embedded embed.FS

// Known returns the built-in definitions.
var Known = sync.OnceValue(func() Set {
	set := Set{}
	entries, err := embedded.ReadDir(".")
	for _, entry := range entries {
		data, readErr := embedded.ReadFile(entry.Name())
		if err = readErr; err == nil {
			err = set.add(entry.Name(), data)
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		panic(err) // a test reads them all
	}
	return set
})

// Add adds the definitions in a file, and ignores everything else in it.
func (s Set) Add(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return s.add(path, data)
}

func (s Set) add(name string, data []byte) error {
	for _, document := range split(data) {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal([]byte(document), &crd); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		for _, version := range crd.Spec.Versions {
			found, err := newDefinition(version.Schema.OpenAPIV3Schema)
			if err != nil {
				return fmt.Errorf("%s: %s %s: %w", name, crd.Name, version.Name, err)
			}
			s[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = found
		}
	}
	return nil
}

// split returns the documents of a YAML file, without the lines with which a chart decides whether to install a definition.
func split(data []byte) (documents []string) {
	var kept strings.Builder
	for line := range strings.Lines("\n" + string(data)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "{{") {
			kept.WriteString(line)
		}
	}
	return slices.DeleteFunc(strings.Split(kept.String(), "\n---"), func(document string) bool { return strings.TrimSpace(document) == "" })
}

func newDefinition(published *apiextensionsv1.JSONSchemaProps) (*definition, error) {
	var props apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(published, &props, nil); err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		return nil, err
	}
	values, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, err
	}
	return &definition{structural, values, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

// noPath is the path of the resource itself.
var noPath *field.Path

// Check returns what the API server would reject, and unknown fields: kubectl rejects these, other clients silently drop
// them. The errors show no value that may be secret. isKnown is false for kinds that are not in the set.
func (s Set) Check(resource map[string]any) (errs []error, isKnown bool) {
	d := s[kindOf(resource)]
	if d == nil {
		return nil, false
	}
	object, err := copyOf(resource)
	if err != nil {
		return []error{err}, true
	}
	tracking := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	texts := map[string][]string{} // by field
	for _, path := range pruning.PruneWithOptions(object, d.structural, true, tracking) {
		texts[path] = append(texts[path], s.unknown(kindOf(resource), path))
	}
	defaulting.Default(object, d.structural)
	problems := validation.ValidateCustomResource(noPath, object, d.values)
	if d.rules != nil && len(problems) == 0 {
		problems, _ = d.rules.Validate(context.Background(), noPath, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, problem := range problems {
		texts[problem.Field] = append(texts[problem.Field], describe(problem))
	}
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range texts[path] {
			errs = append(errs, errors.New(text))
		}
	}
	return errs, true
}

func kindOf(resource map[string]any) string {
	return fmt.Sprintf("%v %v", resource["apiVersion"], resource["kind"])
}

// copyOf decodes integers as such, as the API server does.
func copyOf(resource map[string]any) (object map[string]any, err error) {
	text, err := json.Marshal(resource)
	if err != nil {
		return nil, err
	}
	return object, k8sjson.Unmarshal(text, &object)
}

// Read reads the resources of a YAML file, which may be one of a chart.
func Read(data []byte) (resources []map[string]any, err error) {
	for _, document := range split(data) {
		text, err := yaml.YAMLToJSONStrict([]byte(document))
		if err != nil {
			return nil, err
		}
		var resource map[string]any
		if err := json.Unmarshal(text, &resource); err != nil {
			return nil, err
		}
		resources = append(resources, resource)
	}
	return resources, nil
}
