// Package definitions checks resources as the API server of Kubernetes does, by the CustomResourceDefinitions that
// control planes publish: fields that a definition does not know are pruned there without an error.
package definitions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Set are the definitions by apiVersion and kind.
type Set map[string]*definition

// definition is a kind of resource in one of its versions.
type definition struct {
	structural *schema.Structural
	values     validation.SchemaValidator
	rules      *cel.Validator // nil when there are none
}

// Add reads the definitions of a file; what else is in it does not count.
func (s Set) Add(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, document := range split(withoutTemplates(data)) {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(document, &crd); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		for _, version := range crd.Spec.Versions {
			found, err := newDefinition(version.Schema.OpenAPIV3Schema)
			if err != nil {
				return fmt.Errorf("%s: %s %s: %w", path, crd.Name, version.Name, err)
			}
			s[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = found
		}
	}
	return nil
}

// withoutTemplates drops the lines with which a chart decides whether to install a definition.
func withoutTemplates(data []byte) []byte {
	var kept [][]byte
	for _, line := range bytes.Split(data, []byte("\n")) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("{{")) {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, []byte("\n"))
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

// noPath is where a resource's own fields begin.
var noPath *field.Path

// Check tells what the API server would refuse, and what it would drop.
func (s Set) Check(resource map[string]any) error {
	kind := fmt.Sprintf("%v %v", resource["apiVersion"], resource["kind"])
	d := s[kind]
	if d == nil {
		return fmt.Errorf("%s: no definition of it", kind)
	}
	tracking := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	var problems []error
	for _, path := range pruning.PruneWithOptions(resource, d.structural, true, tracking) {
		problems = append(problems, fmt.Errorf("%s: unknown field, which would be dropped", path))
	}
	defaulting.Default(resource, d.structural)
	for _, problem := range validation.ValidateCustomResource(noPath, resource, d.values) {
		problems = append(problems, problem)
	}
	if d.rules != nil && len(problems) == 0 {
		broken, _ := d.rules.Validate(context.Background(), noPath, d.structural, resource, nil, celconfig.RuntimeCELCostBudget)
		for _, problem := range broken {
			problems = append(problems, problem)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// Read reads the resources of a YAML file, with its integers as such, as the API server has them.
func Read(data []byte) (resources []map[string]any, err error) {
	for _, document := range split(data) {
		text, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, err
		}
		var resource map[string]any
		if err := json.Unmarshal(text, &resource); err != nil {
			return nil, err
		}
		resources = append(resources, resource)
	}
	if len(resources) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return resources, nil
}

// split makes the documents of a YAML file.
func split(data []byte) (documents [][]byte) {
	for _, part := range strings.Split("\n"+string(data), "\n---") {
		if strings.TrimSpace(part) != "" {
			documents = append(documents, []byte(part))
		}
	}
	return documents
}
