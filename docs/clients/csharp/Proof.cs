using System;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

/// <summary>Verifies the proof of a check-out, with BouncyCastle.Cryptography. Read, but not run: see docs/client.md.</summary>
public static class Proof
{
    /// <summary>The lease that the proof is of.</summary>
    /// <param name="jwks">The vendor's keys from a place that you trust.</param>
    /// <param name="product">Of your check-out, as is the nonce.</param>
    public static JsonElement Verify(string proof, JsonElement jwks, string product, string nonce, DateTimeOffset now)
    {
        string activation = Read(proof, 1).GetProperty("activation").GetString()!;
        string kid = Read(activation, 0).GetProperty("kid").GetString()!;
        JsonElement vendor = jwks.GetProperty("keys").EnumerateArray()
            .First(key => key.GetProperty("crv").GetString() == "Ed25519" && key.GetProperty("kid").GetString() == kid);
        JsonElement granted = Verified(activation, "licence-activation+jwt", vendor.GetProperty("x").GetString()!);
        string server = granted.GetProperty("serverPublicKey").GetString()!;
        JsonElement lease = Verified(proof, "licence-lease+jwt", server);
        string fingerprint = "sha256:" + Convert.ToHexString(SHA256.HashData(Bytes(server))).ToLowerInvariant();
        if (Read(proof, 0).GetProperty("kid").GetString() != fingerprint)
            throw new CryptographicException("the proof names another server");
        JsonElement terms = granted.GetProperty("entitlements");
        if (terms.GetProperty("product").GetString() != product)
            throw new CryptographicException("the activation is for another product");
        if (terms.TryGetProperty("expiresAt", out JsonElement end) && end.GetDateTimeOffset() <= now)
            throw new CryptographicException("the licence has ended");
        if (lease.GetProperty("product").GetString() != product || lease.GetProperty("nonce").GetString() != nonce)
            throw new CryptographicException("this answers another question");
        if (lease.TryGetProperty("exp", out JsonElement exp) && exp.GetInt64() <= now.ToUnixTimeSeconds())
            throw new CryptographicException("the lease has expired");
        return lease;
    }

    /// <summary>The payload of a compact JWS of this type, signed by the Ed25519 key x.</summary>
    private static JsonElement Verified(string token, string type, string x)
    {
        JsonElement header = Read(token, 0);
        if (header.GetProperty("alg").GetString() != "EdDSA" || header.GetProperty("typ").GetString() != type)
            throw new CryptographicException($"not a {type}");
        int end = token.LastIndexOf('.');
        byte[] signed = Encoding.ASCII.GetBytes(token[..end]);
        var verifier = new Ed25519Signer();
        verifier.Init(false, new Ed25519PublicKeyParameters(Bytes(x)));
        verifier.BlockUpdate(signed, 0, signed.Length);
        if (!verifier.VerifySignature(Bytes(token[(end + 1)..])))
            throw new CryptographicException($"{type}: bad signature");
        return Read(token, 1);
    }

    private static JsonElement Read(string token, int part)
    {
        string[] parts = token.Split('.');
        if (parts.Length != 3) throw new CryptographicException("not a signed token");
        return JsonDocument.Parse(Bytes(parts[part])).RootElement;
    }

    private static byte[] Bytes(string text)
    {
        string base64 = text.Replace('-', '+').Replace('_', '/');
        return Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '='));
    }
}
