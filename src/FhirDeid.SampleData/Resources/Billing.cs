using static FhirDeid.SampleData.PlantedCategory;

namespace FhirDeid.SampleData.Resources;

/// <summary>Coverage, Claim, ExplanationOfBenefit.</summary>
internal static class Billing
{
    private static readonly Code Professional = new(Vocabulary.Terminology + "claim-type", "professional", "Professional");

    public static void Coverage(ResourceWriter w, PatientRecord p)
    {
        w.Start("Coverage", p.CoverageId);
        w.Meta(p.Random);
        using (w.Single("identifier")) w.Identifier("MB", "Member Number", "https://plan.example.com/member", p.HealthPlan);
        w.Write("status", "active");
        w.Concept("type", new Code(Vocabulary.Terminology + "v3-ActCode", "EHCPOL", "extended healthcare"));
        w.Reference("policyHolder", "RelatedPerson", p.RelatedPersonId, p.Relative.FullName);
        w.Reference("subscriber", "Patient", p.PatientId);
        w.Write("subscriberId", p.HealthPlan);
        w.Subject(p, "beneficiary");
        w.Period("period", Text.Day(p.Visits[0].Day.AddDays(-p.Random.Between(100, 300))), Text.Day(p.Visits[^1].Day.AddDays(p.Random.Between(100, 300))));
        w.References("payor", "Organization", p.Clinic.Payer);
        using (w.Single("class"))
        {
            w.Concept("type", new Code(Vocabulary.Terminology + "coverage-class", "group", "Group"));
            w.Write("value", new Identifying(HealthPlan, $"GRP{p.Random.Digits(8)}"));
            w.Write("name", $"Household of {p.Person.FullName}");
        }
    }

    public static void Claim(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("Claim", visit.Claim);
        w.Meta(p.Random);
        using (w.Single("identifier"))
        {
            w.Write("system", "https://hospital.example.org/account");
            w.Write("value", p.Account);
        }
        w.Write("status", "active");
        w.Concept("type", Professional);
        w.Write("use", "claim");
        w.Subject(p, "patient");
        w.Period("billablePeriod", p.Time(visit.Start), p.Time(visit.End));
        w.Write("created", p.Time(visit.End));
        w.Reference("provider", "Organization", p.Clinic.Organization);
        w.Concept("priority", new Code(Vocabulary.Terminology + "processpriority", "normal", "Normal"));
        using (w.Object("payee"))
        {
            w.Concept("type", new Code(Vocabulary.Terminology + "payeetype", "other", "Other"));
            w.Reference("party", "RelatedPerson", p.RelatedPersonId, p.Relative.FullName);
        }
        w.Reference("facility", "Location", visit.Location);
        using (w.Single("diagnosis"))
        {
            w.Write("sequence", 1);
            w.Reference("diagnosisReference", "Condition", visit.ConditionId);
        }
        using (w.Single("insurance"))
        {
            w.Write("sequence", 1);
            w.Write("focal", true);
            w.Reference("coverage", "Coverage", p.CoverageId, p.HealthPlan);
        }
        using (w.Object("accident"))
        {
            w.Write("date", Text.Day(visit.Day.AddDays(-3)));
            using (w.Object("locationAddress")) w.Address(p.Relative.Address, visit.Day.AddDays(-p.Random.Between(400, 900)));
        }
        using (w.Single("item"))
        {
            w.Write("sequence", 1);
            w.Concept("productOrService", p.Random.Pick(Vocabulary.VisitTypes));
            w.Write("servicedDate", Text.Day(visit.Day));
            w.Money("net", Amount(p));
            w.References("encounter", "Encounter", visit.Encounter);
        }
        w.Money("total", Amount(p));
    }

    public static void ExplanationOfBenefit(ResourceWriter w, PatientRecord p, Visit visit)
    {
        w.Start("ExplanationOfBenefit", p.NewId());
        w.Meta(p.Random);
        w.Write("status", "active");
        w.Concept("type", Professional);
        w.Write("use", "claim");
        w.Subject(p, "patient");
        w.Period("billablePeriod", Text.Day(visit.Day), Text.Day(visit.Day.AddDays(30)));
        w.Write("created", p.Time(visit.End.AddDays(2)));
        w.Reference("insurer", "Organization", p.Clinic.Payer);
        w.Reference("provider", "Practitioner", visit.Practitioner.Id, visit.Practitioner.Name);
        w.Reference("claim", "Claim", visit.Claim);
        w.Write("outcome", "complete");
        w.Write("disposition", $"Paid to {p.Person.FullName}, {p.Person.Address.City}");
        using (w.Single("insurance"))
        {
            w.Write("focal", true);
            w.Reference("coverage", "Coverage", p.CoverageId);
        }
        using (w.Single("total"))
        {
            w.Concept("category", new Code(Vocabulary.Terminology + "adjudication", "submitted", "Submitted Amount"));
            w.Money("amount", Amount(p));
        }
        using (w.Object("payment"))
        {
            w.Write("date", Text.Day(visit.Day.AddDays(33)));
            using (w.Object("identifier"))
            {
                w.Write("system", "https://bank.example.com/transfer");
                w.Write("value", new Identifying(Account, $"PAY-{p.Random.Digits(11)}"));
            }
        }
        using (w.Single("processNote"))
        {
            w.Write("number", 1);
            w.Write("type", "print");
            w.Write("text", $"Mail to {p.Person.FullName}, {p.Person.Address.Line}, {p.Person.Address.City} {p.Person.Address.PostalCode}");
        }
    }

    private static decimal Amount(PatientRecord p) => new(p.Random.Between(4000, 90000), 0, 0, false, 2);
}
