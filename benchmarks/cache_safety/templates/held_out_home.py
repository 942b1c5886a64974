"""Held-out split: household and medicine; written for this suite."""

QUESTIONS = r"""
How long does baking soda keep once it is opened?
  = reworded: For how many months after opening is bicarbonate of soda still good?
  = politeness: Silly question, sorry: how long does baking soda keep once it is opened?
  ! negation: once it is opened → if it is not opened
  ! topic: baking soda → fresh yeast

How much rice should I cook for 3 people?
  = number words: 3 people → three people
  = synonyms: How much rice should I cook → What amount of rice should I boil
  ! numbers: 3 people → 30 people
  ! topic: rice → pasta

How many millilitres are in half a litre?
  = number words: half a litre → 1/2 litre
  = unit spelling: millilitres → ml
  = unit spelling: half a litre → 0.5 l
  ! numbers: half a litre → a quarter of a litre
  ! units: half a litre → half a gallon
  ! units: millilitres → centilitres

What does a 60-watt bulb cost to run for 1,000 hours?
  = unit spelling: 60-watt → 60 W
  = punctuation: 1,000 → 1000
  ! numbers: 60-watt → 6-watt
  ! units: 1,000 hours → 1,000 days

Which is cheaper to run, a gas boiler or a heat pump?
  = word order: a gas boiler or a heat pump → a heat pump or a gas boiler
  = nominalisation: Which has the lower running costs, a gas boiler or a heat pump?
  ! comparatives: cheaper → louder
  ! topic: a gas boiler → an oil boiler
  ! antonyms: to run → to install

How do I open the lint filter of the tumble dryer?
  = synonyms: tumble dryer → clothes dryer
  ! topic: lint filter → water tank
  ! antonyms: open → close
  ! question word: How do I open → Where is

Can you put an aluminium tray into the microwave?
  = typos: Can you put an aluminum tray into the microwave?
  = voice: Can an aluminium tray be put into the microwave?
  ! topic: an aluminium tray → a cardboard tray
  ! topic: into the microwave → into the oven

How do I stop a tap from dripping?
  = kept negation: How do I stop a tap from dripping → How do I get a tap not to drip any more
  = typos: How do I stop a tap from driping?
  ! question word: How do I stop a tap from dripping → What does a tap that keeps dripping cost me
  ! topic: a tap → a gutter

Should plants be watered in the morning or in the evening?
  = word order: in the morning or in the evening → in the evening or in the morning
  = voice: Should I water plants in the morning or in the evening?
  ! quantifiers: Should plants be watered both in the morning and in the evening?
  ! question word: How much should plants be watered in the evening?

How long can the pan stay in the oven at 200 °C?
  = unit spelling: 200 °C → 200 degrees Celsius
  ! numbers: 200 → 260
  ! units: 200 °C → 200 °F
  ! topic: the pan → the lid of the pan
  ! question word: How long can → Why can't

When was the boiler last serviced?
  = nominalisation: When was the last service of the boiler?
  ! tense: When was the boiler last serviced → When will the boiler next be serviced
  ! question word: When → By whom

Do I have to rinse the quinoa before cooking it?
  = voice: Does the quinoa have to be rinsed before cooking it?
  = word order: Before cooking the quinoa, do I have to rinse it?
  ! direction: before → after
  ! modality: Do I have to → Am I allowed to
  ! question word: Do I have to → Why do I have to

How do I make the dough rise faster?
  = synonyms: rise faster → rise more quickly
  ! comparatives: faster → more slowly
  ! question word: Why does the dough rise faster than usual?

Which of these detergents is the least harmful to fish?
  = synonyms: is the least harmful → does the smallest harm
  ! comparatives: least harmful → most harmful
  ! negation: Which of these detergents isn't harmful to fish at all?

Can the filter be reused unless it is torn?
  = kept negation: unless it is torn → if it is not torn
  ! scope: Can the filter be reused even if it is torn?
  ! modality: Can the filter be reused → Must the filter be reused

How heavy may a parcel in this lift be?
  = nominalisation: What is the permitted weight of a parcel in this lift?
  ! question word: How heavy → How large
  ! tense: How heavy may a parcel in this lift be → How heavy was the parcel in this lift

Is peeled garlic kept in the fridge or at room temperature?
  = word order: in the fridge or at room temperature → at room temperature or in the fridge
  ! negation: peeled → unpeeled
  ! topic: peeled garlic → garlic powder

Which paint can I use on an untreated wooden fence?
  = kept negation: an untreated wooden fence → a wooden fence that has not been treated
  = synonyms: use on → apply to
  ! negation: an untreated → a treated
  ! topic: wooden → metal

May I use the lawnmower on a Sunday?
  = synonyms: May I use → Am I allowed to use
  = typos: May I use the lawnmover on a Sunday?
  ! dates: a Sunday → a Saturday
  ! modality: May I use → Do I have to use
  ! topic: lawnmower → washing machine

How long does it take for the glue to dry at 5 °C?
  = nominalisation: What is the drying time of the glue at 5 °C?
  = number words: 5 °C → five degrees Celsius
  ! numbers: 5 °C → 25 °C
  ! numbers: 5 °C → -5 °C

Can the tablets be crushed?
  = voice: Can I crush the tablets?
  = nominalisation: Is crushing of the tablets allowed?
  ! modality: Can → Must
  ! topic: tablets → capsules
  ! quantifiers: Can the tablets → Can all tablets

What is the maximum daily dose of vitamin D for adults in micrograms?
  = unit spelling: micrograms → µg
  = abbreviation: maximum → max.
  ! units: micrograms → international units
  ! names: vitamin D → vitamin E
  ! comparatives: maximum → minimum
  ! scope: for adults → for infants

Take 2.5 ml twice a day: how many ml is that in a week?
  = number words: twice a day → two times a day
  = unit spelling: 2.5 ml twice a day: how many ml → 2.5 millilitres twice a day: how many millilitres
  ! numbers: twice a day → three times a day
  ! numbers: 2.5 ml → 25 ml
  ! units: in a week → in a month

Is it dangerous to stop prednisolone suddenly?
  = nominalisation: Is a sudden stop of prednisolone dangerous?
  = synonyms: suddenly → abruptly
  ! antonyms: stop → start
  ! antonyms: suddenly → gradually
  ! names: prednisolone → loratadine

Does grapefruit juice increase the level of simvastatin in the blood?
  = voice: Is the level of simvastatin in the blood increased by grapefruit juice?
  = synonyms: increase → raise
  ! antonyms: increase → decrease
  ! names: simvastatin → pravastatin
  ! topic: grapefruit juice → apple juice

How should insulin be stored before first use?
  = voice: How should I store insulin before first use?
  = nominalisation: What is the proper storage of insulin before first use?
  ! direction: before first use → after first use
  ! negation: How should insulin → How should insulin not

Can I drive while taking cetirizine?
  = politeness: Would you mind telling me if I can drive while taking cetirizine?
  = word order: While taking cetirizine, can I drive?
  ! names: cetirizine → diphenhydramine
  ! question word: How soon after taking cetirizine can I drive?

Is hydroxyzine the same as hydralazine?
  = word order: Is hydralazine the same as hydroxyzine?
  = reworded: Are hydroxyzine and hydralazine two names of one drug?
  ! question word: Is hydroxyzine the same as hydralazine → Why is hydroxyzine mistaken for hydralazine

What are typical signs of hypoglycaemia?
  = typos: What are typical signs of hypoglycemia?
  = synonyms: signs → symptoms
  ! near words: hypoglycaemia → hyperglycaemia
  ! topic: signs → causes

Why did the doctor prescribe two different inhalers?
  = voice: Why were two different inhalers prescribed by the doctor?
  = number words: two → 2
  ! near words: prescribe → proscribe
  ! question word: Why → When

Do I need a booster if my last tetanus shot was less than 5 years ago?
  = word order: If my last tetanus shot was less than 5 years ago, do I need a booster?
  = number words: 5 → five
  ! comparatives: less than → more than
  ! units: 5 years → 5 decades
  ! names: tetanus → flu

Who must not take this medicine?
  = reworded: Which groups of patients are barred from using this medicine?
  = kept negation: Who must not take → Who mustn't take
  ! negation: must not take → must take
  ! modality: must not take → need not take

Can the mother pass the infection on to the baby?
  = voice: Can the infection be passed on to the baby by the mother?
  ! direction: Can the baby pass the infection on to the mother?
  ! tense: Can the mother pass → Has the mother passed

At what age can children have the second MMR dose?
  = number words: second → 2nd
  ! numbers: second → first
  ! question word: At what age → Where
  ! tense: At what age did children have the second MMR dose in the 1990s?

Which painkillers may be taken in the last three months of pregnancy?
  = number words: last three months → last 3 months
  = synonyms: the last three months of pregnancy → the third trimester
  ! antonyms: last three months → first three months
  ! negation: may be taken → may not be taken
  ! scope: Which painkillers may be taken during breastfeeding?

Is the ointment for use on the eye or in the ear?
  = word order: on the eye or in the ear → in the ear or on the eye
  ! topic: ointment → spray
  ! question word: How many times a day is the ointment used in the ear?

Does every patient get a rash from this drug?
  = synonyms: drug → medicine
  = reworded: Is a skin eruption to be expected in all those who are treated with this?
  ! quantifiers: every patient → any patient
  ! tense: Does every patient get → Did every patient in the trial get

When does the prescription of 7 August 2026 expire?
  = date format: 7 August 2026 → 7.8.2026
  = date format: 7 August 2026 → August 7th, 2026
  ! dates: 7 August 2026 → 7 April 2026
  ! tense: When was the prescription of 7 August 2026 filled?

My temperature is 38.2 °C; do I have a fever?
  = contraction: My temperature is → My temperature's
  = unit spelling: 38.2 °C → 38.2 degrees Celsius
  ! numbers: 38.2 → 36.2
  ! antonyms: do I have a fever → is my temperature too low

In anaphylaxis, is adrenaline given before the antihistamine or after it?
  = word order: before the antihistamine or after it → after the antihistamine or before it
  ! direction: In anaphylaxis, is the antihistamine given before adrenaline or after it?
"""
