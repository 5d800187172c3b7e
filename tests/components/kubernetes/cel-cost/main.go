// Command cel-cost compiles admission policies as an API server of Kubernetes
// 1.30 would, and tells what each expression costs with an object. An API
// server itself has limits on these costs, and does not tell them.
//
//	cel-cost POLICY.yaml... < objects.json
//
// objects.json is a list of {"object": ..., "oldObject": ...}; the answer is a
// list of the same length, each a list with an entry a policy: {"kind",
// "matchConditions", "variables", "validations" or "mutations"}, each of these a
// list of {"name", "cost", "error"}. Warnings of the type checker are an error.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	celgo "github.com/google/cel-go/cel"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

// The oldest version that the policies are for.
var oldest = version.MajorMinor(1, 30)

// More than any limit of an API server, so that a cost beyond one is told too.
const budget = int64(1) << 60

type expression struct {
	name, text string
	types      []*celgo.Type
}

func (e expression) GetName() string            { return e.name }
func (e expression) GetExpression() string      { return e.text }
func (e expression) ReturnTypes() []*celgo.Type { return e.types }

type cost struct {
	Name  string `json:"name"`
	Cost  int64  `json:"cost"`
	Error string `json:"error,omitempty"`
}

type policy struct {
	kind        string
	conditions  []expression
	variables   []expression
	validations []expression
	mutations   []expression
}

type request struct {
	Object    json.RawMessage `json:"object"`
	OldObject json.RawMessage `json:"oldObject"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cel-cost:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	var policies []policy
	for _, file := range files {
		read, err := readPolicies(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		policies = append(policies, read...)
	}
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return err
	}
	answers := []any{}
	for _, r := range requests {
		attributes, err := attributesOf(r)
		if err != nil {
			return err
		}
		perPolicy := []any{}
		for _, p := range policies {
			costs, err := p.costs(attributes)
			if err != nil {
				return err
			}
			perPolicy = append(perPolicy, costs)
		}
		answers = append(answers, perPolicy)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func readPolicies(file string) ([]policy, error) {
	input, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(input, 4096)
	var policies []policy
	for {
		var document json.RawMessage
		if err := decoder.Decode(&document); err == io.EOF {
			return policies, nil
		} else if err != nil {
			return nil, err
		}
		var head metav1.TypeMeta
		if err := json.Unmarshal(document, &head); err != nil {
			return nil, err
		}
		p := policy{kind: head.Kind}
		switch head.Kind {
		case "ValidatingAdmissionPolicy":
			var object admissionregistration.ValidatingAdmissionPolicy
			if err := json.Unmarshal(document, &object); err != nil {
				return nil, err
			}
			if err := typeCheck(&object); err != nil {
				return nil, err
			}
			p.read(object.Spec.MatchConditions, object.Spec.Variables)
			for i, v := range object.Spec.Validations {
				name := fmt.Sprintf("validations[%d]", i)
				p.validations = append(p.validations, expression{name, v.Expression, []*celgo.Type{celgo.BoolType}})
			}
		case "MutatingAdmissionPolicy":
			var object admissionregistration.MutatingAdmissionPolicy
			if err := json.Unmarshal(document, &object); err != nil {
				return nil, err
			}
			p.read(object.Spec.MatchConditions, object.Spec.Variables)
			for i, m := range object.Spec.Mutations {
				name := fmt.Sprintf("mutations[%d]", i)
				types := (&patch.JSONPatchCondition{}).ReturnTypes()
				p.mutations = append(p.mutations, expression{name, m.JSONPatch.Expression, types})
			}
		default:
			continue
		}
		policies = append(policies, p)
	}
}

func (p *policy) read(conditions []admissionregistration.MatchCondition, variables []admissionregistration.Variable) {
	for _, c := range conditions {
		p.conditions = append(p.conditions, expression{c.Name, c.Expression, []*celgo.Type{celgo.BoolType}})
	}
	for _, v := range variables {
		p.variables = append(p.variables, expression{v.Name, v.Expression, []*celgo.Type{celgo.AnyType, celgo.DynType}})
	}
}

// costs evaluates the expressions one after the other, each variable once.
func (p policy) costs(attributes *admission.VersionedAttributes) (map[string]any, error) {
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(oldest))
	if err != nil {
		return nil, err
	}
	options := plugincel.OptionalVariableDeclarations{HasPatchTypes: p.kind == "MutatingAdmissionPolicy"}
	for _, v := range p.variables {
		result := compiler.CompileAndStoreVariable(v, options, environment.NewExpressions)
		if result.Error != nil {
			return nil, fmt.Errorf("%s %s: %w", p.kind, v.name, result.Error)
		}
	}
	variables := make([]expression, len(p.variables))
	for i, v := range p.variables {
		variables[i] = expression{v.name, "variables." + v.name, v.types}
	}
	answer := map[string]any{"kind": p.kind}
	for _, group := range []struct {
		name        string
		expressions []expression
		before      []expression
	}{
		{"matchConditions", p.conditions, nil},
		{"variables", variables, nil},
		{"validations", p.validations, variables},
		{"mutations", p.mutations, variables},
	} {
		if len(group.expressions) == 0 {
			continue
		}
		costs, err := costsOf(compiler, options, group.expressions, group.before, attributes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.kind, err)
		}
		answer[group.name] = costs
	}
	return answer, nil
}

// costsOf evaluates `before` and then ever more of the expressions: what the
// last one adds is its cost.
func costsOf(compiler *plugincel.CompositedCompiler, options plugincel.OptionalVariableDeclarations, expressions, before []expression, attributes *admission.VersionedAttributes) ([]cost, error) {
	request := plugincel.CreateAdmissionRequest(attributes.Attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.VersionedKind))
	var accessors []plugincel.ExpressionAccessor
	for _, e := range before {
		accessors = append(accessors, e)
	}
	spent := int64(0)
	costs := []cost{}
	for i := -1; i < len(expressions); i++ {
		if i >= 0 {
			accessors = append(accessors, expressions[i])
		}
		evaluator := compiler.CompileCondition(accessors, options, environment.NewExpressions)
		if errors := evaluator.CompilationErrors(); len(errors) > 0 {
			return nil, errors[0]
		}
		results, left, err := evaluator.ForInput(context.Background(), attributes, request, plugincel.OptionalVariableBindings{}, nil, budget)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			c := cost{Name: expressions[i].name, Cost: budget - left - spent}
			if err := results[len(results)-1].Error; err != nil {
				c.Error = err.Error()
			}
			costs = append(costs, c)
		}
		spent = budget - left
	}
	return costs, nil
}

func attributesOf(r request) (*admission.VersionedAttributes, error) {
	object, kind, resource, err := decode(r.Object)
	if err != nil {
		return nil, err
	}
	operation, operationOptions := admission.Create, runtime.Object(&metav1.CreateOptions{})
	var old runtime.Object
	if len(r.OldObject) > 0 && string(r.OldObject) != "null" {
		operation, operationOptions = admission.Update, &metav1.UpdateOptions{}
		if old, _, _, err = decode(r.OldObject); err != nil {
			return nil, err
		}
	}
	attributes := admission.NewAttributesRecord(object, old, kind, "", "a", resource, "", operation, operationOptions, false, &user.DefaultInfo{})
	return admission.NewVersionedAttributes(attributes, kind, admission.NewObjectInterfacesFromScheme(scheme.Scheme))
}

func decode(text json.RawMessage) (runtime.Object, schema.GroupVersionKind, schema.GroupVersionResource, error) {
	var head metav1.TypeMeta
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, schema.GroupVersionKind{}, schema.GroupVersionResource{}, err
	}
	kind := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind)
	resource := storagev1.SchemeGroupVersion.WithResource("storageclasses")
	var object runtime.Object = &storagev1.StorageClass{}
	switch head.Kind {
	case "PersistentVolume":
		resource = corev1.SchemeGroupVersion.WithResource("persistentvolumes")
		object = &corev1.PersistentVolume{}
	case "Pod":
		resource = corev1.SchemeGroupVersion.WithResource("pods")
		object = &corev1.Pod{}
	case "CronJob":
		resource = batchv1.SchemeGroupVersion.WithResource("cronjobs")
		object = &batchv1.CronJob{}
	}
	return object, kind, resource, json.Unmarshal(text, object)
}

// typeCheck does what the API server's controller does, whose warnings stand
// in a policy's status.
func typeCheck(object *admissionregistration.ValidatingAdmissionPolicy) error {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(storagev1.SchemeGroupVersion.WithKind("StorageClass"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("PersistentVolume"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(batchv1.SchemeGroupVersion.WithKind("CronJob"), meta.RESTScopeNamespace)
	checker := validating.TypeChecker{
		SchemaResolver: resolver.NewDefinitionsSchemaResolver(openapi.GetOpenAPIDefinitions, scheme.Scheme),
		RestMapper:     mapper,
	}
	for _, warning := range checker.Check(object) {
		return fmt.Errorf("%s: %s", warning.FieldRef, warning.Warning)
	}
	return nil
}
