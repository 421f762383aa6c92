package streams

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// TestDocs_SayWhatATypeHas: go doc shows no fields and no methods of a type that another
// package defines, so its comment names them.
func TestDocs_SayWhatATypeHas(t *testing.T) {
	t.Parallel()
	comments := typeComments(t)
	for name, typ := range map[string]reflect.Type{
		"Decimal":  reflect.TypeFor[Decimal](),
		"Error":    reflect.TypeFor[Error](),
		"Message":  reflect.TypeFor[Message](),
		"Property": reflect.TypeFor[Property](),
		"Table":    reflect.TypeFor[Table](),
	} {
		for _, member := range members(typ) {
			if !regexp.MustCompile(`\b` + member + `\b`).MatchString(comments[name]) {
				t.Errorf("the comment of %s does not name %s", name, member)
			}
		}
	}
}

// members are the exported fields and methods of a type, without those that every error
// has.
func members(typ reflect.Type) (names []string) {
	if typ.Kind() == reflect.Struct {
		for _, field := range reflect.VisibleFields(typ) {
			names = append(names, field.Name)
		}
	}
	for method := range reflect.PointerTo(typ).Methods() {
		if !slices.Contains([]string{"Error", "Is", "Unwrap"}, method.Name) {
			names = append(names, method.Name)
		}
	}
	return names
}

// typeComments are the comments of the types of this package.
func typeComments(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range []string{"amqp.go", "errors.go"} {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, "warren/streams")
	if err != nil {
		t.Fatal(err)
	}
	comments := make(map[string]string)
	for _, typ := range pkg.Types {
		comments[typ.Name] = typ.Doc
	}
	return comments
}
