package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// digestAnnotation tells what was last applied: a field that is no longer wanted shows in nothing else.
const digestAnnotation = "licensing.softonit.ru/applied"

// ensure applies a child, unless the cache shows that it stands as wanted, and answers it as it is then. live is an empty
// object of the same type.
func ensure[T client.Object](ctx context.Context, r *reconciler, wanted, live T) (T, error) {
	annotations := map[string]string{}
	for k, v := range wanted.GetAnnotations() {
		annotations[k] = v
	}
	annotations[digestAnnotation] = digestOf(wanted)
	wanted.SetAnnotations(annotations)
	err := r.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	if client.IgnoreNotFound(err) != nil {
		return live, err
	}
	if err == nil && stands(wanted, live) {
		return live, nil
	}
	return wanted, r.Patch(ctx, wanted, client.Apply, client.FieldOwner(fieldManager), client.ForceOwnership)
}

func stands(wanted, live client.Object) bool {
	for k, v := range wanted.GetLabels() {
		if live.GetLabels()[k] != v {
			return false
		}
	}
	for k, v := range wanted.GetAnnotations() {
		if live.GetAnnotations()[k] != v {
			return false
		}
	}
	if !equality.Semantic.DeepDerivative(wanted.GetOwnerReferences(), live.GetOwnerReferences()) {
		return false
	}
	switch w := wanted.(type) {
	case *appsv1.Deployment:
		return equality.Semantic.DeepDerivative(w.Spec, live.(*appsv1.Deployment).Spec)
	case *corev1.Service:
		return equality.Semantic.DeepDerivative(w.Spec, live.(*corev1.Service).Spec)
	case *networkingv1.NetworkPolicy:
		return equality.Semantic.DeepDerivative(w.Spec, live.(*networkingv1.NetworkPolicy).Spec)
	case *corev1.PersistentVolumeClaim:
		return equality.Semantic.DeepDerivative(w.Spec, live.(*corev1.PersistentVolumeClaim).Spec)
	case *corev1.ServiceAccount:
		return equality.Semantic.DeepEqual(w.AutomountServiceAccountToken, live.(*corev1.ServiceAccount).AutomountServiceAccountToken)
	}
	return false
}

// ensureCopy applies an immutable, content-addressed object: that it is there is all there is to know.
func ensureCopy(ctx context.Context, r *reconciler, wanted client.Object) error {
	there, err := r.exists(ctx, wanted)
	if err != nil || there {
		return err
	}
	return r.Patch(ctx, wanted, client.Apply, client.FieldOwner(fieldManager), client.ForceOwnership)
}

// ensureOnce creates what must never be made a second time.
func ensureOnce(ctx context.Context, r *reconciler, name, namespace string, make func() (*corev1.Secret, error)) error {
	there, err := r.exists(ctx, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
	})
	if err != nil || there {
		return err
	}
	made, err := make()
	if err != nil {
		return err
	}
	err = r.Create(ctx, made, client.FieldOwner(fieldManager))
	if apierrors.IsAlreadyExists(err) { // the cache is behind
		return nil
	}
	return err
}

// exists asks the metadata cache.
func (r *reconciler) exists(ctx context.Context, object client.Object) (bool, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	err := r.Get(ctx, client.ObjectKeyFromObject(object), meta)
	return err == nil, client.IgnoreNotFound(err)
}
