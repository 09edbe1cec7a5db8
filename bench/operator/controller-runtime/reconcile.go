package main

import (
	"context"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// keySecretField and trustField index LicenceServers by what they refer to.
const (
	keySecretField = "keySecret"
	trustField     = "trust"
)

type reconciler struct {
	client.Client
	live              client.Reader
	memo              sync.Map
	image             string
	operatorNamespace string
}

func (r *reconciler) setup(mgr ctrl.Manager, workers int) error {
	ctx, index := context.Background(), mgr.GetFieldIndexer()
	err := index.IndexField(ctx, &LicenceServer{}, keySecretField, func(o client.Object) (names []string) {
		for _, key := range o.(*LicenceServer).Spec.Keys {
			names = append(names, key.SecretRef.Name)
		}
		return names
	})
	if err != nil {
		return err
	}
	err = index.IndexField(ctx, &LicenceServer{}, trustField, func(o client.Object) []string {
		if authority := o.(*LicenceServer).Spec.Activation.Authority; authority != nil && authority.TrustedKeys != nil {
			return []string{authority.TrustedKeys.ConfigMapRef.Name}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&LicenceServer{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&corev1.Secret{}, builder.OnlyMetadata).
		Owns(&corev1.ConfigMap{}, builder.OnlyMetadata).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.referring(keySecretField)), builder.OnlyMetadata).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.referring(trustField)), builder.OnlyMetadata).
		// The claim has no owner, since it outlives its LicenceServer.
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(byInstance)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

func (r *reconciler) referring(field string) handler.MapFunc {
	return func(ctx context.Context, o client.Object) (requests []reconcile.Request) {
		if o.GetLabels()[managedLabel] == fieldManager {
			return nil
		}
		var list LicenceServerList
		err := r.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{field: o.GetName()}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil
		}
		for i := range list.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return requests
	}
}

func byInstance(_ context.Context, o client.Object) []reconcile.Request {
	if o.GetLabels()[managedLabel] != fieldManager {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()[instanceLabel]}}}
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	ls := &LicenceServer{}
	if err := r.Get(ctx, request.NamespacedName, ls); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if ls.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	applied, stalled, err := r.apply(ctx, ls)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.writeStatus(ctx, ls, applied, stalled)
}

// applied is what status is computed from.
type applied struct {
	deployment *appsv1.Deployment
	claim      *corev1.PersistentVolumeClaim
	keys       string
	image      string
}

// apply puts every child in place; stalled says what a person has to do first.
func (r *reconciler) apply(ctx context.Context, ls *LicenceServer) (a applied, stalled string, err error) {
	keys, stalled, err := r.keys(ctx, ls)
	if err != nil || stalled != "" {
		return a, stalled, err
	}
	trust, stalled, err := r.trust(ctx, ls)
	if err != nil || stalled != "" {
		return a, stalled, err
	}
	if err = ensureOnce(ctx, r, ls.Name+"-identity", ls.Namespace, func() (*corev1.Secret, error) { return identitySecret(ls) }); err != nil {
		return a, "", err
	}
	if err = ensureOnce(ctx, r, ls.Name+"-tokens", ls.Namespace, func() (*corev1.Secret, error) { return tokensSecret(ls), nil }); err != nil {
		return a, "", err
	}
	config := configMapCopy(ls, "config", settingsOf(ls))
	parts := podParts{image: r.image, keys: keys.name, config: config.Name, trust: trust.name}
	if ls.Spec.Image != "" {
		parts.image = ls.Spec.Image
	}
	for _, object := range []client.Object{keys.object, config, trust.object} {
		if object == nil {
			continue
		}
		if err = ensureCopy(ctx, r, object); err != nil {
			return a, "", err
		}
	}
	if _, err = ensure(ctx, r, serviceAccount(ls), &corev1.ServiceAccount{}); err != nil {
		return a, "", err
	}
	a.keys, a.image = keys.name, parts.image
	var existing *corev1.PersistentVolumeClaim
	claim := &corev1.PersistentVolumeClaim{}
	switch err = r.Get(ctx, types.NamespacedName{Namespace: ls.Namespace, Name: ls.Name + "-data"}, claim); {
	case err == nil:
		existing = claim
	case !apierrors.IsNotFound(err):
		return a, "", err
	}
	if a.claim, err = ensure(ctx, r, persistentVolumeClaim(ls, existing), &corev1.PersistentVolumeClaim{}); err != nil {
		return a, "", err
	}
	if a.deployment, err = ensure(ctx, r, deployment(ls, parts), &appsv1.Deployment{}); err != nil {
		return a, "", err
	}
	if _, err = ensure(ctx, r, service(ls), &corev1.Service{}); err != nil {
		return a, "", err
	}
	if _, err = ensure(ctx, r, networkPolicy(ls, r.operatorNamespace), &networkingv1.NetworkPolicy{}); err != nil {
		return a, "", err
	}
	return a, "", r.prune(ctx, ls, parts, a.deployment)
}

// keys answers the copy of the keys. Contents are read live, since the cache has none of them; its name is remembered for as
// long as no Secret that it was made from has another version, so that a settled server costs no read.
func (r *reconciler) keys(ctx context.Context, ls *LicenceServer) (copyOf, string, error) {
	var refs []source
	for _, key := range ls.Spec.Keys {
		refs = append(refs, source{"Secret", key.Name, key.SecretRef})
	}
	return r.copyOf(ctx, ls, "keys", refs, func(data map[string]string) client.Object { return keysSecret(ls, data) })
}

func (r *reconciler) trust(ctx context.Context, ls *LicenceServer) (copyOf, string, error) {
	authority := ls.Spec.Activation.Authority
	if authority == nil || authority.TrustedKeys == nil {
		return copyOf{}, "", nil
	}
	refs := []source{{"ConfigMap", "jwks.json", authority.TrustedKeys.ConfigMapRef}}
	return r.copyOf(ctx, ls, "trust", refs, func(data map[string]string) client.Object { return configMapCopy(ls, "trust", data) })
}

// source is one value that the spec refers to, and the name it gets in the copy.
type source struct {
	kind, name string
	ref        KeyRef
}

// copyOf is an immutable copy; object is nil if it is known to stand.
type copyOf struct {
	name   string
	object client.Object
}

type remembered struct{ signature, name string }

func (r *reconciler) copyOf(ctx context.Context, ls *LicenceServer, what string, refs []source, build func(map[string]string) client.Object) (copyOf, string, error) {
	signature := fmt.Sprintf("%s/%d", ls.UID, ls.Generation)
	for _, from := range refs {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(from.kind))
		err := r.Get(ctx, types.NamespacedName{Namespace: ls.Namespace, Name: from.ref.Name}, meta)
		if apierrors.IsNotFound(err) {
			return copyOf{}, fmt.Sprintf("%s %s does not exist", from.kind, from.ref.Name), nil
		}
		if err != nil {
			return copyOf{}, "", err
		}
		signature += "/" + meta.ResourceVersion
	}
	memo := what + "/" + ls.Namespace + "/" + ls.Name
	if known, ok := r.memo.Load(memo); ok && known.(remembered).signature == signature {
		kind := "Secret"
		if what == "trust" {
			kind = "ConfigMap"
		}
		name := known.(remembered).name
		there, err := r.exists(ctx, &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: kind},
			ObjectMeta: metav1.ObjectMeta{Namespace: ls.Namespace, Name: name},
		})
		if err != nil || there {
			return copyOf{name: name}, "", err
		}
	}
	data := map[string]string{}
	for _, from := range refs {
		content, err := r.content(ctx, ls.Namespace, from)
		if err != nil {
			return copyOf{}, "", client.IgnoreNotFound(err)
		}
		text, there := content[from.ref.Key]
		if !there {
			return copyOf{}, fmt.Sprintf("%s %s has no key %s", from.kind, from.ref.Name, from.ref.Key), nil
		}
		data[from.name] = text
	}
	object := build(data)
	r.memo.Store(memo, remembered{signature, object.GetName()})
	return copyOf{object.GetName(), object}, "", nil
}

func (r *reconciler) content(ctx context.Context, namespace string, from source) (map[string]string, error) {
	key := types.NamespacedName{Namespace: namespace, Name: from.ref.Name}
	if from.kind == "ConfigMap" {
		var found corev1.ConfigMap
		err := r.live.Get(ctx, key, &found)
		return found.Data, err
	}
	var found corev1.Secret
	if err := r.live.Get(ctx, key, &found); err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(found.Data))
	for name, bytes := range found.Data {
		texts[name] = string(bytes)
	}
	return texts, nil
}

// prune deletes copies that no pod template names any more.
func (r *reconciler) prune(ctx context.Context, ls *LicenceServer, parts podParts, live *appsv1.Deployment) error {
	if live.Status.ObservedGeneration != live.Generation || live.Status.UpdatedReplicas != live.Status.Replicas {
		return nil
	}
	for _, kind := range []string{"Secret", "ConfigMap"} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
		err := r.List(ctx, list, client.InNamespace(ls.Namespace), client.MatchingLabels{instanceLabel: ls.Name}, client.HasLabels{copyLabel}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return err
		}
		for i := range list.Items {
			item := &list.Items[i]
			if item.Name == parts.keys || item.Name == parts.config || item.Name == parts.trust || !metav1.IsControlledBy(item, ls) {
				continue
			}
			gone := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind}, ObjectMeta: metav1.ObjectMeta{Name: item.Name, Namespace: item.Namespace}}
			if err := client.IgnoreNotFound(r.Delete(ctx, gone)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reconciler) writeStatus(ctx context.Context, ls *LicenceServer, a applied, stalled string) error {
	status := Status{
		ObservedGeneration: ls.Generation,
		Conditions:         append([]metav1.Condition(nil), ls.Status.Conditions...),
		Selector:           metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selectorOf(ls)}),
		Address:            fmt.Sprintf("http://%s.%s.svc:%d", ls.Name, ls.Namespace, ls.Spec.Service.Port),
		Image:              a.image,
		KeysCopy:           a.keys,
	}
	set := func(kind string, holds bool, reason, message string) {
		value := metav1.ConditionFalse
		if holds {
			value = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: message, ObservedGeneration: ls.Generation,
		})
	}
	if stalled != "" {
		set("Stalled", true, "InputMissing", stalled)
		set("Reconciling", false, "Stalled", stalled)
		set("Ready", false, "Stalled", stalled)
	} else {
		d := a.deployment
		available := d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == ls.Spec.Replicas && d.Status.AvailableReplicas >= ls.Spec.Replicas
		bound := a.claim.Status.Phase == corev1.ClaimBound
		status.Replicas = d.Status.Replicas
		set("Stalled", false, "Valid", "the spec can be carried out")
		set("Available", available, word(available, "PodsAvailable", "PodsStarting"), word(available, "the server serves", "the server is starting"))
		set("StorageBound", bound, word(bound, "Bound", "Pending"), word(bound, "the volume is bound", "the volume is not bound yet"))
		ready := available && bound
		set("Reconciling", !ready, word(ready, "Settled", "Progressing"), word(ready, "nothing is left to do", "waiting for the server"))
		set("Ready", ready, word(ready, "Ready", "Progressing"), word(ready, "the licence server is ready", "waiting for the server"))
	}
	if equality.Semantic.DeepEqual(status, ls.Status) {
		return nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	if err != nil {
		return err
	}
	patch := &unstructured.Unstructured{Object: map[string]any{"status": content}}
	patch.SetGroupVersionKind(groupVersion.WithKind("LicenceServer"))
	patch.SetName(ls.Name)
	patch.SetNamespace(ls.Namespace)
	return r.Status().Patch(ctx, patch, client.Apply, client.FieldOwner(fieldManager), client.ForceOwnership)
}

func word(holds bool, yes, no string) string {
	if holds {
		return yes
	}
	return no
}
